"""How long an operator's own check of the steps' clients may take."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actors.errors import CallboardError, ErrorCode
from tests.support.credentials import NamesAreKeys, NamesAreTickets
from transport.credentials import Authenticator
from transport.head import RequestHead
from transport.steps_identity import StepsIdentity, VerifyClient

HEAD = RequestHead("GET", "/ws", "/ws", "", "1.1", (), b"")


def identity(verify: VerifyClient) -> StepsIdentity:
    return StepsIdentity(Authenticator(NamesAreKeys(), NamesAreTickets(), auth_required=True), verify, 10.0)


async def test_one_that_never_answers_refuses(autojump_clock: trio.testing.MockClock) -> None:
    async def never(head: RequestHead) -> bool:
        await trio.sleep_forever()

    began = trio.current_time()
    with pytest.raises(CallboardError) as refused:
        await identity(never).identify(HEAD, reads=True)
    assert refused.value.code is ErrorCode.UNAUTHORIZED
    assert trio.current_time() - began == 10


async def test_its_user_has_no_rights_but_its_own() -> None:
    principal = await identity(lambda head: "carol").identify(HEAD, reads=False)
    assert (principal.user_id, principal.scopes) == ("carol", frozenset())
    anybody = await identity(lambda head: True).identify(HEAD, reads=False)
    assert not anybody.is_admin
