"""The pages of the engine: where one lands, `/docs` and its document, and one to try `/ws/agent`. No network needed."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from quart import Quart, Response

from transport.http.bodies import as_json

_PAGES = {
    "/": ("index.html", "text/html"),
    "/docs": ("docs.html", "text/html"),
    "/static/test_websocket.html": ("test_websocket.html", "text/html"),
    "/static/test_websocket.css": ("test_websocket.css", "text/css"),
    "/static/test_websocket.js": ("test_websocket.js", "text/javascript"),
    "/static/docs.css": ("docs.css", "text/css"),
    "/static/docs.js": ("docs.js", "text/javascript"),
}
_SAMPLE = "websocket_client_example.html"
_SAMPLE_PATHS = (f"/samples/{_SAMPLE}", f"/static/{_SAMPLE}")
_POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"


def add_pages(app: Quart, document: dict[str, Any]) -> None:
    """`document` is served as `/openapi.json`."""
    folder = files("transport") / "static"
    for path, (name, kind) in _PAGES.items():
        app.add_url_rule(path, name.replace(".", "_"), _page((folder / name).read_bytes(), kind))
    sample = (folder / _SAMPLE).read_bytes()
    for path in _SAMPLE_PATHS:
        app.add_url_rule(path, path[1:].replace(".", "_"), _page(sample, "text/html", _policy_of(sample)))
    app.add_url_rule("/openapi.json", "openapi", _page(as_json(document), "application/json"))


def _policy_of(page: bytes) -> str:
    """For a page that holds its own script and style, and connects to whatever server it is told."""
    allowed = "; ".join(
        f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(inline).digest()).decode()}'"
        for tag in ("script", "style")
        for inline in re.findall(rb"<%b>(.*?)</%b>" % (tag.encode(), tag.encode()), page, re.DOTALL)
    )
    return f"{_POLICY}; connect-src 'self' ws: wss: http: https:; {allowed}"


def _page(content: bytes, kind: str, policy: str = _POLICY) -> Callable[[], Awaitable[Response]]:
    async def page() -> Response:
        response = Response(content, mimetype=kind)
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-cache"
        return response

    return page
