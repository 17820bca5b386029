"""Who is asking, and what they may do."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec


class Scope(StrEnum):
    """What a principal may do beyond running and seeing its own tasks and sessions."""

    PUBLISH = "publish"
    AGENT = "agent"
    ADMIN = "admin"


MAXIMUM_USER_ID = 200
EVERYTHING = "*"
"""The owner of the topics that only an admin sees."""


def is_user_id(name: str) -> bool:
    """1 to 200 printable characters. Not `*`: nobody is to own what is the admins'."""
    return 0 < len(name) <= MAXIMUM_USER_ID and name.isprintable() and name != EVERYTHING


class Principal(msgspec.Struct, frozen=True):
    """An authenticated user.

    `expires_at` is Unix seconds, None for a credential without an end. `credential_id` names the key or token, for
    logs and for revocation; it is never the secret itself.
    """

    user_id: str
    scopes: frozenset[Scope] = frozenset()
    expires_at: float | None = None
    credential_id: str = ""

    @property
    def is_admin(self) -> bool:
        return Scope.ADMIN in self.scopes

    def has(self, scope: Scope) -> bool:
        """An admin has every scope."""
        return scope in self.scopes or self.is_admin

    def sees(self, owner: str) -> bool:
        """Whether an object of `owner` is visible to this principal. An empty owner is everybody's."""
        return not owner or owner == self.user_id or self.is_admin

    @property
    def sight(self) -> str | None:
        """Whose objects this principal sees beside everybody's; None for all there are."""
        return None if self.is_admin else self.user_id


ANONYMOUS = Principal("anonymous", frozenset(Scope))
"""The user of a socket without credentials where `auth.required` is off: the machine's own, so nothing is denied."""


class Verifier(Protocol):
    """The port behind which credentials are checked."""

    async def verify(self, token: str) -> Principal:
        """The principal of an API key or a JWT. Raises CallboardError UNAUTHORIZED with a reason fit for the client."""
        ...

    def recall(self, token: str) -> Principal | None:
        """As `verify`, where that need not wait and the credential stands. None: `verify` says. Never blocks."""
        ...

    def is_valid(self, principal: Principal) -> bool:
        """Whether a principal verified earlier still stands: False once its key is revoked. Never blocks."""
        ...
