"""An engine on a real port with one owner who may come by every dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import trio
import trio.testing

from actors.principal import Principal, Scope
from actors.sessions import SessionsOptions
from tests.support.faces.socket import Place
from tests.support.gateway import Gateway, running_gateway
from tests.support.speaker import Speaker
from tests.support.wallets import Wallet
from tests.support.world import Limits

WALLET = Wallet(7)
OWNER = Principal(WALLET.public_key, frozenset({Scope.PUBLISH}))
"""A key's user is its wallet's public key: so the same owner has credentials for all dialects."""


class Stage(msgspec.Struct, frozen=True):
    gateway: Gateway
    place: Place
    speaker: Speaker

    async def all_gone(self) -> None:
        """Returns once nobody is connected."""
        with trio.fail_after(10):
            while len(self.gateway.world.connections):
                await trio.testing.wait_all_tasks_blocked(0.005)


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    speaker = Speaker()
    limits = Limits(sessions=SessionsOptions(default_agent="speaker"))
    async with running_gateway({"speaker": speaker}, limits) as gateway:
        gateway.verifier.principals[OWNER.user_id] = OWNER
        yield Stage(gateway, Place(gateway.port, OWNER.user_id, WALLET), speaker)
