"""Which web pages may use the API from a browser."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from quart import Quart, Response, request

from actors.errors import CallboardError, ErrorCode
from transport.loopback import is_loopback
from transport.wallet_identity import KEY_HEADER, NONCE_HEADER, SIGNATURE_HEADER

_MAX_AGE_SECONDS = 600
_METHODS = "GET, HEAD, POST, OPTIONS"
_HEADERS = ", ".join(
    ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", KEY_HEADER, NONCE_HEADER, SIGNATURE_HEADER)
)


class Origins:
    """The engine's own pages, and those of a list of origins.

    Without credentials on loopback everything is allowed, and any page that a browser shows could post to it: a
    browser names the page's origin, so a strange one is refused what changes something.
    """

    def __init__(self, allowed: tuple[str, ...], *, loopback_only: bool = False) -> None:
        """`loopback_only`: nobody needs a credential, and only this machine can connect. Then a browser is to come by
        one of this machine's names: a stranger's name that was made to point here would pass for the engine's own."""
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)
        self._hosts = frozenset(_host_name(urlsplit(origin).netloc) for origin in self._allowed)
        self._loopback_only = loopback_only

    def guard(self, app: Quart) -> None:
        """Has the application refuse strange origins and tell browsers of those allowed."""
        app.before_request(self._check)
        app.after_request(self._tell)

    def may_act(self, origin: str | None, host: str) -> bool:
        """Whether a request from a page of this origin may change something. None: it comes from no page."""
        return origin is None or self._is_listed(origin) or _is_own(origin, host)

    def may_call(self, host: str | None) -> bool:
        """Whether the name by which the client came, its `Host`, is one of ours. None or empty: it is no browser."""
        if not self._loopback_only or not host:
            return True
        name = _host_name(host)
        return is_loopback(name) or name in self._hosts

    def response_headers(self, origin: str | None) -> tuple[tuple[str, str], ...]:
        """What every answer tells the browser about the page's origin; names in lower case."""
        if not self._allowed:
            return ()
        vary = ("vary", "Origin")
        if origin is None or not self._is_listed(origin):
            return (vary,)
        return (
            vary,
            ("access-control-allow-origin", origin),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "Location, Retry-After"),
        )

    def _is_listed(self, origin: str) -> bool:
        return origin.lower() in self._allowed

    # Both are async for Quart's sake, which runs a plain function in a thread.

    async def _check(self) -> None:
        host = request.headers.get("Host")
        if not self.may_call(host):
            raise CallboardError(ErrorCode.FORBIDDEN, f"this engine is not known as {host}")
        origin = request.headers.get("Origin")
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return
        if not self.may_act(origin, host or ""):
            raise CallboardError(ErrorCode.FORBIDDEN, f"pages of {origin} may not use this API (cors_origins)")

    async def _tell(self, response: Response) -> Response:
        origin = request.headers.get("Origin")
        for name, value in self.response_headers(origin):
            response.headers.add(name, value)
        asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if asked and origin is not None and self._is_listed(origin):
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = _HEADERS
            response.headers["Access-Control-Max-Age"] = str(_MAX_AGE_SECONDS)
        return response


def _is_own(origin: str, host: str) -> bool:
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


@lru_cache(maxsize=64)
def _host_name(host: str) -> str:
    """The name in a `Host`, without port and brackets; empty for one that cannot be read."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
