"""One row of the API: what a request to it looks like, who answers, and what the answer looks like.

The application registers exactly these rows and the OpenAPI document describes exactly these rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec
from quart import Response
from werkzeug.datastructures import Headers

from actors.principal import Principal
from transport.http.errors import CodedRefusal

B = TypeVar("B", bound=msgspec.Struct)
Q = TypeVar("Q", bound=msgspec.Struct)
R = TypeVar("R")

Admit: TypeAlias = Callable[[str, Headers, Mapping[str, str]], Awaitable[Principal]]
"""From method, headers and parameters to who asks. Raises CallboardError UNAUTHORIZED or RATE_LIMITED."""


class Nothing(msgspec.Struct, frozen=True):
    """A request without a body, or without parameters."""


class Call(msgspec.Struct, Generic[B, Q], frozen=True):
    """A request, read and checked: who asks, the parts of the path, the body, the parameters."""

    principal: Principal
    method: str
    path: Mapping[str, str]
    headers: Headers
    body: B
    query: Q
    raw: bytes = b""
    """The body as it came, where its route takes bytes."""


class Answer(msgspec.Struct, Generic[R], frozen=True):
    """`status` where it is not the route's usual one; `location` of what was created."""

    value: R
    status: int | None = None
    location: str | None = None


class Route(msgspec.Struct, Generic[B, Q, R], frozen=True, kw_only=True):
    """`path` writes its variables as `{name}`. `answer` is the type of the JSON in the answer."""

    method: Literal["GET", "POST"]
    path: str
    handler: Callable[[Call[B, Q]], Awaitable[Answer[R] | Response]]
    tag: str
    summary: str
    body: type[B]
    query: type[Q]
    answer: type[R]
    status: int = 200
    takes_bytes: bool = False
    """The body is a file, whatever it holds."""
    other_status: dict[int, str] = {}
    """Further statuses of success."""
    errors: tuple[int, ...] = ()
    """Beside those that every route has."""
    content: str = "application/json"
    headers: dict[str, str] = {}
    """Request headers that it reads, and what they say."""
    refusal: type[CodedRefusal] | None = None
    """The form of its errors, where that is not the API's own: made of a message."""
    example: dict[str, Any] | None = None
    """A body as one would send it; a route with a body has one."""

    admit: Admit | None = None
    """Who asks, where that is not shown by the engine's own credentials."""
    security: tuple[dict[str, list[str]], ...] | None = None
    """What the document says of `admit`: alternatives, each naming security schemes."""


AnyRoute: TypeAlias = Route[Any, Any, Any]
