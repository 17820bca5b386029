"""How long an operator's own check of the steps' clients may take."""

from __future__ import annotations

import threading

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


async def test_a_function_that_hangs_refuses_and_keeps_nobody_elses_thread() -> None:
    released = threading.Event()

    def hangs(head: RequestHead) -> bool:
        released.wait(10)
        return True

    before = trio.to_thread.current_default_thread_limiter().borrowed_tokens
    slow = StepsIdentity(Authenticator(NamesAreKeys(), NamesAreTickets(), auth_required=True), hangs, 0.05)
    try:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(refused_by, slow)
        assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == before
    finally:
        released.set()


async def refused_by(slow: StepsIdentity) -> None:
    with pytest.raises(CallboardError) as refused:
        await slow.identify(HEAD, reads=True)
    assert refused.value.code is ErrorCode.UNAUTHORIZED


async def test_an_object_whose_call_is_async_is_awaited() -> None:
    class Check:
        async def __call__(self, head: RequestHead) -> str:
            await trio.lowlevel.checkpoint()
            return "carol"

    assert (await identity(Check()).identify(HEAD, reads=True)).user_id == "carol"


@pytest.mark.parametrize("error", [RuntimeError("no judgement"), SystemExit(3), RecursionError()])
async def test_one_that_fails_refuses_and_ends_nothing(error: BaseException) -> None:
    def fails(head: RequestHead) -> bool:
        raise error

    async def fails_later(head: RequestHead) -> bool:
        await trio.lowlevel.checkpoint()
        raise error

    for verify in (fails, fails_later):
        with pytest.raises(CallboardError) as refused:
            await identity(verify).identify(HEAD, reads=True)
        assert refused.value.code is ErrorCode.UNAUTHORIZED
