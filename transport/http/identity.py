"""Who asks: from the credential that a request carries to a principal within its rate."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import trio
from werkzeug.datastructures import Headers

from actors.errors import CallboardError, ErrorCode
from actors.principal import Principal, Verifier
from actors.rate import TokenBucket
from transport.credentials import Authenticator, Credentials, TicketRedeemer


class Gate:
    """Lets a request in. A credential that is shown must be good, also where none is required."""

    def __init__(self, verifier: Verifier, tickets: TicketRedeemer, rates: Rates, *, auth_required: bool) -> None:
        self._authenticator = Authenticator(verifier, tickets, auth_required=auth_required)
        self._rates = rates

    async def admit(self, method: str, headers: Headers, parameters: Mapping[str, str]) -> Principal:
        """The principal of `Authorization: Bearer`, `?access_token=` or `?ticket=`, the first of them that is there.

        Raises CallboardError UNAUTHORIZED, or RATE_LIMITED for one who asks too often.
        """
        shown = Credentials(
            authorization=headers.get("Authorization"),
            access_token=parameters.get("access_token"),
            ticket=parameters.get("ticket"),
        )
        principal = await self._authenticator.identify(shown, reads=method in ("GET", "HEAD"))
        self._rates.take(principal.user_id, trio.current_time())
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
