"""Who asks over HTTP: from the credential that a request carries to a principal, whichever way the request goes."""

from __future__ import annotations

import time
from typing import Protocol

import msgspec
import trio

from actors.errors import CallboardError, ErrorCode
from actors.principal import ANONYMOUS, Principal, Verifier


class TicketRedeemer(Protocol):
    def redeem(self, ticket: str) -> Principal:
        """Whose ticket it is. Raises CallboardError UNAUTHORIZED for an unknown or expired one."""
        ...


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a request shows: the header `Authorization`, `?access_token=`, `?ticket=`; None where it is not there."""

    authorization: str | None
    access_token: str | None
    ticket: str | None


class Authenticator:
    """A credential that is shown must be good, also where none is required."""

    def __init__(self, verifier: Verifier, tickets: TicketRedeemer, *, auth_required: bool) -> None:
        self._verifier = verifier
        self._tickets = tickets
        self._auth_required = auth_required

    async def identify(self, shown: Credentials, *, reads: bool) -> Principal:
        """The principal of the first credential that is there. `reads`: whether the request changes nothing.

        Raises CallboardError UNAUTHORIZED.
        """
        if (token := _token(shown)) is not None:
            return await self._verifier.verify(token)
        await trio.lowlevel.checkpoint()
        if shown.ticket is not None:
            return self._redeem(shown.ticket, reads=reads)
        if self._auth_required:
            message = "a credential is required: `Authorization: Bearer`, `?access_token=` or `?ticket=`"
            raise CallboardError(ErrorCode.UNAUTHORIZED, message)
        return ANONYMOUS

    def recall(self, shown: Credentials) -> Principal | None:
        """As `identify`, where that need not wait. None: `identify` says. Never blocks."""
        try:
            token = _token(shown)
        except CallboardError:
            return None
        if token is not None:
            return self._verifier.recall(token)
        return None if shown.ticket is not None or self._auth_required else ANONYMOUS

    def _redeem(self, ticket: str, *, reads: bool) -> Principal:
        # An address ends up in logs and histories: what is in one must not start work, nor buy the next ticket.
        if not reads:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "a ticket is good for reading only")
        principal = self._tickets.redeem(ticket)
        expired = principal.expires_at is not None and principal.expires_at <= time.time()
        if expired or not self._verifier.is_valid(principal):
            raise CallboardError(ErrorCode.UNAUTHORIZED, "the ticket's credential has expired or was revoked")
        return principal


def _token(shown: Credentials) -> str | None:
    return shown.access_token if shown.authorization is None else _bearer(shown.authorization)


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise CallboardError(ErrorCode.UNAUTHORIZED, "the Authorization header is `Bearer` and a token")
    return token.strip()
