"""Who a client of the steps dialect is: by a function of the operator's own, or as everywhere in the engine."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

import trio

from actors.errors import CallboardError, ErrorCode
from actors.principal import ANONYMOUS, Principal, is_user_id
from transport.credentials import Authenticator, Credentials
from transport.head import RequestHead

VerifyClient: TypeAlias = "Callable[[RequestHead], bool | str | Awaitable[bool | str]]"
"""Told of a request, says whose it is: a user's id, True for nobody in particular, False to refuse it. An async
function runs in the engine's loop, any other one in a thread."""

_THREADS = 16
"""Clients who are judged by a plain function at the same time; the others wait their turn."""

_log = logging.getLogger("callboard.steps")


class StepsIdentity:
    """Every way in, upgrades, event streams and posts alike, asks the same."""

    def __init__(self, authenticator: Authenticator, verify_client: VerifyClient | None, seconds: float) -> None:
        """`seconds`: how long `verify_client` may take; one who is not judged by then is refused."""
        self._authenticator = authenticator
        self._verify_client = verify_client
        self._seconds = seconds
        # Its own: one that hangs keeps its thread, and must not take those of the rest of the engine.
        self._threads = trio.CapacityLimiter(_THREADS)

    async def identify(self, head: RequestHead, *, reads: bool) -> Principal:
        """`reads`: whether the request changes nothing. Raises CallboardError UNAUTHORIZED."""
        if self._verify_client is not None:
            return _principal(await self._ask(self._verify_client, head))
        return await self._authenticator.identify(_shown(head), reads=reads)

    def recall(self, head: RequestHead) -> Principal | None:
        """As `identify`, where that need not wait. None: `identify` says."""
        return self._authenticator.recall(_shown(head)) if self._verify_client is None else None

    async def _ask(self, verify: VerifyClient, head: RequestHead) -> object:
        with trio.move_on_after(self._seconds):
            try:
                if _is_async(verify):
                    return await cast("Awaitable[object]", verify(head))
                return await trio.to_thread.run_sync(verify, head, abandon_on_cancel=True, limiter=self._threads)
            # The edge of somebody else's code, which may even exit: a client that it cannot judge is not let in.
            except (Exception, SystemExit):  # noqa: BLE001
                _log.exception("steps.verify_client failed")
                return False
        _log.error("steps.verify_client took more than %g seconds", self._seconds)
        return False


def _shown(head: RequestHead) -> Credentials:
    return Credentials(
        authorization=head.header("authorization"),
        access_token=head.query("access_token"),
        ticket=head.query("ticket"),
    )


def _is_async(verify: VerifyClient) -> bool:
    """Also an object that is async when it is called."""
    return inspect.iscoroutinefunction(verify) or inspect.iscoroutinefunction(type(verify).__call__)


def _principal(answer: object) -> Principal:
    match answer:
        case True:
            return Principal(ANONYMOUS.user_id)
        case str() if is_user_id(answer):
            return Principal(answer)
        case False:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "Unauthorized")
        case _:
            _log.error("steps.verify_client returned %.200r: neither a user's id nor True nor False", answer)
            raise CallboardError(ErrorCode.UNAUTHORIZED, "Unauthorized")
