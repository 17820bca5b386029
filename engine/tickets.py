"""Tickets: what a browser's EventSource, which can send no header, shows in its URL in place of a credential."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from actors.errors import CallboardError, ErrorCode
from actors.principal import Principal

PREFIX = "tk_"


class _Ticket(msgspec.Struct, frozen=True):
    principal: Principal
    expires: float


class TicketOffice:
    """Issues short-lived random tickets, each bound to a principal.

    A ticket is good until it expires and not for one use only, because EventSource reconnects by itself with the URL
    that it has. Full-policy: where `capacity` tickets are valid at once, `issue` refuses until the oldest expires;
    beyond `per_user` of one user, that user's oldest is void.
    """

    def __init__(
        self, now: Callable[[], float], *, seconds: float = 60, capacity: int = 10_000, per_user: int = 100
    ) -> None:
        """`now` is a monotonic clock in seconds, such as `trio.current_time`."""
        self._now = now
        self._seconds = seconds
        self._capacity = capacity
        self._per_user = per_user
        self._tickets: OrderedDict[str, _Ticket] = OrderedDict()
        self._by_user: dict[str, OrderedDict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def issue(self, principal: Principal) -> tuple[str, float]:
        """A new ticket and its life in seconds. Raises CallboardError BUSY when `limits.tickets` are out."""
        self._discard_expired()
        own = self._by_user.get(principal.user_id, ())
        if len(own) >= self._per_user:
            self._discard(next(iter(own)))
        if len(self._tickets) >= self._capacity:
            oldest = next(iter(self._tickets.values()))
            message = f"{self._capacity} tickets are out (limits.tickets)"
            raise CallboardError(ErrorCode.BUSY, message, retry_after=oldest.expires - self._now())
        ticket = PREFIX + secrets.token_urlsafe(32)
        self._tickets[ticket] = _Ticket(principal, self._now() + self._seconds)
        self._by_user.setdefault(principal.user_id, OrderedDict())[ticket] = None
        return ticket, self._seconds

    def redeem(self, ticket: str) -> Principal:
        """The principal that it was issued to. Raises CallboardError UNAUTHORIZED for one unknown or expired."""
        found = self._tickets.get(ticket)
        if found is None or found.expires <= self._now():
            raise CallboardError(ErrorCode.UNAUTHORIZED, "the ticket is unknown or has expired")
        return found.principal

    def _discard_expired(self) -> None:
        # All live equally long, so they expire in the order in which they were issued.
        while self._tickets and next(iter(self._tickets.values())).expires <= self._now():
            self._discard(next(iter(self._tickets)))

    def _discard(self, ticket: str) -> None:
        user_id = self._tickets.pop(ticket).principal.user_id
        del self._by_user[user_id][ticket]
        if not self._by_user[user_id]:
            del self._by_user[user_id]
