"""A real HTTP server on a real port that answers as it is told, request by request."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Literal

import h11
import msgspec
import trio


class Answer(msgspec.Struct, frozen=True):
    """A response. `end` says what follows the body: its proper end, the connection's loss, or nothing at all."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "text/event-stream"),)
    chunks: tuple[bytes, ...] = ()
    end: Literal["finish", "drop", "stay"] = "finish"


class Request(msgspec.Struct, frozen=True):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Answers the first request with the first answer, and so on; what it was asked is in `requests`."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.requests: list[Request] = []
        self._answers = iter(answers)

    async def start(self, nursery: trio.Nursery) -> str:
        """Serves in `nursery` and returns the URL."""
        listeners = await nursery.start(partial(trio.serve_tcp, self._serve, 0, host="127.0.0.1"))
        port: int = listeners[0].socket.getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def _serve(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        head, body = await _request(stream, connection)
        if head is None:
            return
        headers = {name.decode(): value.decode() for name, value in head.headers}
        self.requests.append(Request(head.method.decode(), head.target.decode(), headers, body))
        answer = next(self._answers)
        fields = [*answer.headers, ("connection", "close")]
        await _send(stream, connection, h11.Response(status_code=answer.status, headers=fields))
        for chunk in answer.chunks:
            await _send(stream, connection, h11.Data(data=chunk))
        match answer.end:
            case "finish":
                await _send(stream, connection, h11.EndOfMessage())
            case "stay":
                await trio.sleep_forever()
            case "drop":
                pass


async def _request(stream: trio.SocketStream, connection: h11.Connection) -> tuple[h11.Request | None, bytes]:
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            return head, body


async def _send(stream: trio.SocketStream, connection: h11.Connection, event: h11.Event) -> None:
    data = connection.send(event)
    await stream.send_all(data or b"")


def block(event: str, data: bytes, position: str) -> bytes:
    """One event as this server's event streams write it."""
    return f"event: {event}\nid: {position}\ndata: ".encode() + data + b"\n\n"


def json_answer(status: int, body: bytes) -> Answer:
    return Answer(status, (("content-type", "application/json"),), (body,))
