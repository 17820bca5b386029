"""A gateway's other end on memory streams: each connection is served by the test's own function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import orjson
import trio
from trio.testing import memory_stream_pair
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, wrap_server_stream

from callboard_client import Backoff, Client, Options, connect

URL = "http://gateway.test"


class Peer:
    """One connection, seen from the server. `asked` holds the requests that were answered, without ids."""

    def __init__(self, socket: WebSocketConnection, stream: trio.abc.Stream) -> None:
        self.socket = socket
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._stream = stream

    async def take(self, *kinds: str) -> dict[str, Any]:
        """The next request, which must be of one of these kinds."""
        frame: dict[str, Any] = orjson.loads(await self.socket.get_message())
        assert frame["type"] in kinds, frame
        self.asked.append((frame["type"], frame["payload"]))
        return frame

    async def reply(self, request: dict[str, Any], kind: str, payload: dict[str, Any] | None = None) -> None:
        frame = {"type": kind, "id": request["id"]} | ({} if payload is None else {"payload": payload})
        await self.socket.send_message(orjson.dumps(frame).decode())

    async def welcome(self, user: str = "alice") -> dict[str, Any]:
        request = await self.take("auth")
        device = request["payload"]["device_id"]
        await self.reply(request, "auth.result", {"success": True, "user_id": user, "device_id": device})
        payload: dict[str, Any] = request["payload"]
        return payload

    async def admit(self, offset: int = 0, *, recovered: bool = True, epoch: str = "e") -> dict[str, Any]:
        """Answers the next `subscribe`, with this place for every topic of it."""
        request = await self.take("subscribe")
        payload: dict[str, Any] = request["payload"]
        place = {"epoch": epoch, "offset": offset, "recovered": recovered}
        positions = dict.fromkeys({*payload["topics"], *payload["since"]}, place)
        await self.reply(request, "subscribed", {"channel": payload["channel"], "positions": positions})
        return payload

    async def event(self, offset: int, data: Any = None, kind: str = "tick", topic: str = "t", **more: Any) -> None:
        payload = {"channel": "task", "topic": topic, "event_type": kind, "data": data, "offset": offset}
        payload |= {"epoch": "e", "timestamp": 1} | more
        await self.socket.send_message(orjson.dumps({"type": "event", "payload": payload}).decode())

    async def gap(self, first: int, last: int, reason: str, at: int, epoch: str = "e") -> None:
        await self.event(at, {"from": first, "to": last, "reason": reason}, "gap", epoch=epoch)

    async def stay(self) -> None:
        """Answers nothing until the client closes."""
        try:
            await self.socket.get_message()
        except ConnectionClosed:
            return
        raise AssertionError("the client has asked for more")

    async def drop(self) -> None:
        """The connection breaks."""
        await trio.aclose_forcefully(self._stream)

    async def close(self, code: int, reason: str = "") -> None:
        await self.socket.aclose(code, reason)


Serve: TypeAlias = Callable[[Peer], Awaitable[None]]


class Network:
    """Hands a stream out for each attempt to connect, or an error. `times` are those of the attempts."""

    def __init__(self, nursery: trio.Nursery, plan: Iterable[Serve | Exception]) -> None:
        self.times: list[float] = []
        self.drops: list[tuple[str, float]] = []
        self.peers: list[Peer] = []
        self._nursery = nursery
        self._plan = iter(plan)

    async def dial(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        self.times.append(trio.current_time())
        step = next(self._plan)
        if isinstance(step, Exception):
            raise step
        ours, theirs = memory_stream_pair()
        self._nursery.start_soon(self._serve, step, theirs)
        return ours

    def note_drop(self, reason: str, seconds: float) -> None:
        self.drops.append((reason, seconds))

    async def _serve(self, serve: Serve, stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request: WebSocketRequest = await wrap_server_stream(nursery, stream)
            assert request.path == "/api/v1/gateway/ws"
            peer = Peer(await request.accept(), stream)
            self.peers.append(peer)
            await serve(peer)
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def client_of(
    *plan: Serve | Exception,
    options: Options | None = None,
    uniform: Callable[[float, float], float] = lambda _low, high: high,
) -> AsyncIterator[tuple[Client, Network]]:
    """A client whose connections are served by `plan`, one after another, all within the block."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        network = Network(nursery, plan)
        try:
            async with connect(
                URL,
                "ab_key",
                stream=network.dial,
                on_drop=network.note_drop,
                backoff=Backoff(uniform=uniform),
                options=options,
            ) as client:
                yield client, network
        # Raised outside the nursery, so that a test sees it as the client has raised it.
        except Exception as error:  # noqa: BLE001
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
