"""Credentials that can be read: a user's name is its key and its ticket."""

from __future__ import annotations

import msgspec
import trio

from actors.errors import CallboardError, ErrorCode
from actors.principal import Principal
from tests.support.world import ADMIN, ALICE, BOB, OPERATOR, PUBLISHER

PRINCIPALS = {who.user_id: who for who in (ALICE, BOB, ADMIN, PUBLISHER, OPERATOR)}


class NamesAreKeys:
    """A verifier that takes a user's name for a key, but for `expired` and names it does not know."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.known: set[str] = set()
        """Names whose keys need no look-up."""
        self.principals = dict(PRINCIPALS)

    async def verify(self, token: str) -> Principal:
        await trio.lowlevel.checkpoint()
        if token == "expired":
            raise CallboardError(ErrorCode.UNAUTHORIZED, "the token has expired")
        name, _, expires = token.partition("@")
        if name not in self.principals:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "the API key is unknown")
        principal = self.principals[name]
        return msgspec.structs.replace(principal, expires_at=float(expires)) if expires else principal

    def recall(self, token: str) -> Principal | None:
        return self.principals[token] if token in self.known else None

    def is_valid(self, principal: Principal) -> bool:
        return principal.user_id not in self.revoked


class NamesAreTickets:
    """A ticket office whose tickets are `tk_` and a user's name."""

    def issue(self, principal: Principal) -> tuple[str, float]:
        return f"tk_{principal.user_id}", 60.0

    def redeem(self, ticket: str) -> Principal:
        principal = PRINCIPALS.get(ticket.removeprefix("tk_"))
        if principal is None or not ticket.startswith("tk_"):
            raise CallboardError(ErrorCode.UNAUTHORIZED, "the ticket is unknown or has expired")
        return principal
