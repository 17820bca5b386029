"""A whole listener on loopback with a small application, for tests to speak bytes to."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import trio
from hypercorn.typing import ASGIFramework
from quart import Response, request
from quart_trio import QuartTrio

from tests.transport.client import Client
from transport.byte_stream import ByteStream
from transport.connection_edge import ConnectionEdge, Serving
from transport.drain import Drain
from transport.head import RequestHead
from transport.hypercorn_adapter import HypercornHTTP
from transport.listener import Accept, Listener, Lounge
from transport.listener_options import Bind, ListenerOptions
from transport.listener_statistics import Tally
from transport.poller import Poller

OPTIONS = ListenerOptions(
    binds=(Bind(port=0),),
    head_seconds=5,
    keep_alive_seconds=5,
    write_seconds=5,
    linger_seconds=2,
    accept_retry_seconds=0.01,
    body_bytes=100_000,
)
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: one\n\n"


class RecordingHandlers:
    """Answers an event stream with one event, and echoes on a WebSocket until the client ends."""

    def __init__(self) -> None:
        self.heads: list[RequestHead] = []

    def is_event_stream(self, head: RequestHead) -> bool:
        return head.path == "/events" and head.header_has("accept", "text/event-stream")

    def events(self, stream: ByteStream, head: RequestHead) -> Serving:
        return partial(self.serve_events, stream, head)

    def websocket(self, stream: ByteStream, head: RequestHead) -> Serving:
        return partial(self.serve_websocket, stream, head)

    async def serve_events(self, stream: ByteStream, head: RequestHead) -> None:
        self.heads.append(head)
        await stream.write_all(EVENTS)

    async def serve_websocket(self, stream: ByteStream, head: RequestHead) -> None:
        if head.path == "/crash":
            raise RuntimeError("the handler is broken")
        self.heads.append(head)
        await stream.write_all(SWITCHING)
        while data := await stream.receive_some():
            await stream.write_all(data)


def small_app() -> QuartTrio:
    app = QuartTrio(__name__)
    app.config["MAX_CONTENT_LENGTH"] = OPTIONS.body_bytes

    @app.get("/")
    async def index() -> str:
        return "hello"

    @app.post("/echo")
    async def echo() -> Response:
        return Response(await request.get_data())

    return app


class Server(msgspec.Struct):
    listener: Listener
    http: HypercornHTTP
    handlers: RecordingHandlers
    connections: trio.Nursery
    clients: trio.Nursery

    async def connect(self) -> Client:
        host, port = self.listener.addresses[0]
        stream = await trio.open_tcp_stream(host, port)
        self.clients.start_soon(_hold_stream, stream)
        return Client(stream)


async def start_server(
    nursery: trio.Nursery,
    options: ListenerOptions = OPTIONS,
    app: ASGIFramework | None = None,
    accept: Accept = socket.socket.accept,
    clients: trio.Nursery | None = None,
    handlers: RecordingHandlers | None = None,
) -> Server:
    """Starts everything in `nursery`, where the clients are closed as well unless they are given one of their own."""
    drain, tally, handlers = Drain(), Tally(), handlers or RecordingHandlers()
    http = HypercornHTTP(small_app() if app is None else app, options, drain)
    edge = ConnectionEdge(options, handlers, http, drain, tally)
    connections: trio.Nursery = await nursery.start(_hold_nursery)

    def spawn(name: str, run: Callable[[], Awaitable[None]]) -> None:
        connections.start_soon(run, name=name)

    poller = Poller()
    await nursery.start(poller.run)
    listener = Listener(options, edge.serve, spawn, tally, accept, Lounge(poller, edge.welcome))
    await nursery.start(partial(http.run))
    await nursery.start(listener.run)
    return Server(listener, http, handlers, connections, clients or nursery)


async def _hold_nursery(task_status: trio.TaskStatus[trio.Nursery]) -> None:
    async with trio.open_nursery() as nursery:
        task_status.started(nursery)
        await trio.sleep_forever()


async def _hold_stream(stream: trio.abc.AsyncResource) -> None:
    async with stream:
        await trio.sleep_forever()
