"""One request to an ASGI application whose answer is read piece by piece, and which the client may leave.

Quart's own test connection waits for ever for the end of an answer that it has disconnected from.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import trio
from quart_trio import QuartTrio
from werkzeug.datastructures import Headers


class Exchange:
    """Entered, the request is under way; left, the client is gone and the application has noticed."""

    def __init__(self, nursery: trio.Nursery, app: QuartTrio, path: str, headers: Mapping[str, str]) -> None:
        self.headers = Headers()
        self._nursery = nursery
        self._app = app
        bare, _, query = path.partition("?")
        self._scope = {
            "type": "http",
            "asgi": {},
            "http_version": "2",
            "method": "GET",
            "scheme": "https",
            "path": bare,
            "raw_path": bare.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "extensions": {},
        }
        self._requests, self._requested = trio.open_memory_channel[dict[str, Any]](2)
        self._answers, self._answered = trio.open_memory_channel[bytes](0)
        self._ended = trio.Event()

    async def receive(self) -> bytes:
        """The next piece of the body, nothing at its end. The application is not asked for more than is received."""
        try:
            return await self._answered.receive()
        except trio.EndOfChannel:
            return b""

    async def __aenter__(self) -> Exchange:
        await self._requests.send({"type": "http.request", "body": b"", "more_body": False})
        self._nursery.start_soon(self._run)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self._requests.send({"type": "http.disconnect"})
            await self._ended.wait()

    async def _run(self) -> None:
        await self._app(self._scope, self._requested.receive, self._send)  # type: ignore[arg-type]  # a plain dict
        self._answers.close()
        self._ended.set()

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.headers = Headers([(name.decode(), value.decode()) for name, value in message["headers"]])
        elif message["body"]:
            await self._answers.send(message["body"])
