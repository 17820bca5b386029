"""Who asks: from the credential that a request carries to a principal within its rate."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping

import trio
from werkzeug.datastructures import Headers

from actors.errors import CallboardError, ErrorCode
from actors.principal import ANONYMOUS, Principal, Verifier
from actors.rate import TokenBucket
from transport.http.services import Tickets


class Gate:
    """Lets a request in. A credential that is shown must be good, also where none is required."""

    def __init__(self, verifier: Verifier, tickets: Tickets, rates: Rates, *, auth_required: bool) -> None:
        self._verifier = verifier
        self._tickets = tickets
        self._rates = rates
        self._auth_required = auth_required

    async def admit(self, method: str, headers: Headers, parameters: Mapping[str, str]) -> Principal:
        """The principal of `Authorization: Bearer`, `?access_token=` or `?ticket=`, the first of them that is there.

        Raises CallboardError UNAUTHORIZED, or RATE_LIMITED for one who asks too often.
        """
        principal = await self._identify(method, headers, parameters)
        self._rates.take(principal.user_id, trio.current_time())
        return principal

    async def _identify(self, method: str, headers: Headers, parameters: Mapping[str, str]) -> Principal:
        if "Authorization" in headers:
            return await self._verifier.verify(_bearer(headers["Authorization"]))
        if "access_token" in parameters:
            return await self._verifier.verify(parameters["access_token"])
        await trio.lowlevel.checkpoint()
        if "ticket" in parameters:
            return self._redeem(method, parameters["ticket"])
        if self._auth_required:
            message = "a credential is required: `Authorization: Bearer`, `?access_token=` or `?ticket=`"
            raise CallboardError(ErrorCode.UNAUTHORIZED, message)
        return ANONYMOUS

    def _redeem(self, method: str, ticket: str) -> Principal:
        # An address ends up in logs and histories: what is in one must not start work, nor buy the next ticket.
        if method not in ("GET", "HEAD"):
            raise CallboardError(ErrorCode.UNAUTHORIZED, "a ticket is good for reading only")
        principal = self._tickets.redeem(ticket)
        expired = principal.expires_at is not None and principal.expires_at <= time.time()
        if expired or not self._verifier.is_valid(principal):
            raise CallboardError(ErrorCode.UNAUTHORIZED, "the ticket's credential has expired or was revoked")
        return principal


class Rates:
    """A token bucket a user, for the `users` who asked last. Who is forgotten starts afresh with a full one."""

    def __init__(self, per_second: float, burst: float, users: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._users = users
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, user_id: str, now: float) -> None:
        """Raises CallboardError RATE_LIMITED with the time until the next request would be allowed."""
        bucket = self._buckets.get(user_id)
        if bucket is None:
            bucket = self._buckets[user_id] = TokenBucket(self._per_second, self._burst, now)
            if len(self._buckets) > self._users:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(user_id)
        wait = bucket.take(now)
        if wait:
            message = f"more than {self._per_second:g} requests a second"
            raise CallboardError(ErrorCode.RATE_LIMITED, message, retry_after=wait)


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise CallboardError(ErrorCode.UNAUTHORIZED, "the Authorization header is `Bearer` and a token")
    return token.strip()
