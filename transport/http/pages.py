"""The pages of the engine: where one lands, `/docs` and its document, and one to try `/ws/agent`. No network needed."""

from __future__ import annotations

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
_POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"


def add_pages(app: Quart, document: dict[str, Any]) -> None:
    """`document` is served as `/openapi.json`."""
    folder = files("transport") / "static"
    for path, (name, kind) in _PAGES.items():
        app.add_url_rule(path, name.replace(".", "_"), _page((folder / name).read_bytes(), kind))
    app.add_url_rule("/openapi.json", "openapi", _page(as_json(document), "application/json"))


def _page(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def page() -> Response:
        response = Response(content, mimetype=kind)
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-cache"
        return response

    return page
