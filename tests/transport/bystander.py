"""Somebody else on the same gateway, whom nothing that one client does may disturb."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from actors.commands import CreateTask
from tests.support.gateway import Gateway, running_gateway
from tests.support.world import BOB, Limits
from tests.transport.agents import AGENTS
from transport.client_services import ClientOptions
from transport.listener_options import Bind, ListenerOptions

LISTENER = ListenerOptions(binds=(Bind(port=0),), linger_seconds=0.2)


@asynccontextmanager
async def disturbed_gateway(
    caplog: pytest.LogCaptureFixture, options: ClientOptions | None = None, limits: Limits | None = None
) -> AsyncIterator[Gateway]:
    """A gateway for one client's mischief. After it a client of another user is served as before, of the one who did it
    nothing is left, and no warning was logged."""
    async with running_gateway(AGENTS, limits, options, LISTENER) as gateway:
        async with gateway.client("bob") as bob:
            await bob.request("subscribe", {"channel": "task", "topics": []})
            yield gateway
            await gateway.settled(connections=1)
            await gateway.world.router.create_task(BOB, CreateTask(agent="echo", prompt="hi"))
            assert (await bob.events_until("task.completed"))[-1]["data"]["result"] == "hi"
        await gateway.settled()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
