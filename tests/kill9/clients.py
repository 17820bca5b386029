"""Clients that come back whenever the engine does, each in its dialect's way, and write down what they are told."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpx2
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_client_stream

from callboard_client import Backoff, ConnectionLost, Event, Gap, Subscription, Unreachable, connect
from tests.kill9.record import Acknowledged, Began, Missed, Place, Record, Told
from tests.kill9.words import room_member, room_message, said

AWAY = (httpx2.TransportError, OSError, HandshakeError, ConnectionClosed)
"""What a client meets while the engine is down."""
HOST = "127.0.0.1"
PAUSE = 0.03
"""Seconds between two attempts to connect."""


class Follower(ABC):
    """One connection after another until it is cancelled. `records` are by topic, `channel/topic`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.records: dict[str, Record] = defaultdict(lambda: Record(name))

    async def run(self) -> None:
        while True:
            try:
                await self._follow()
            except* AWAY:
                pass
            await trio.sleep(PAUSE)

    @abstractmethod
    async def _follow(self) -> None:
        """Over one connection, to its end."""


class GatewaySocket:
    """The gateway over a WebSocket, by the project's own client: topics by name, and a whole channel."""

    def __init__(self, name: str, url: str, token: str, topics: Sequence[str]) -> None:
        self.name = name
        self.records: dict[str, Record] = defaultdict(lambda: Record(name))
        self._url, self._token, self._topics = url, token, topics

    async def run(self) -> None:
        while True:
            # The first connection is for the program to try again.
            with suppress(ConnectionLost, Unreachable):
                await self._follow()
            await trio.sleep(PAUSE)

    async def _follow(self) -> None:
        swift = Backoff(first=PAUSE, ceiling=PAUSE)
        async with (
            connect(self._url, self._token, backoff=swift) as client,
            client.subscribe("app", *self._topics, since=dict.fromkeys(self._topics, "0")) as boards,
            client.subscribe("task") as tasks,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._write_down, boards)
            nursery.start_soon(self._write_down, tasks)

    async def _write_down(self, subscription: Subscription) -> None:
        async for pushed in subscription:
            record = self.records[f"{pushed.channel}/{pushed.topic}"]
            position = pushed.position
            place = None if position is None else Place(position.epoch, position.offset)
            if isinstance(pushed, Event):
                words = said(pushed.channel, pushed.event_type, pushed.data)
                record.add(Told(Place(pushed.position.epoch, pushed.position.offset), pushed.first, words))
            elif isinstance(pushed, Gap):
                record.add(Missed(pushed.reason, place))


class EventStream(Follower):
    """An event stream, taken up by `Last-Event-ID`. What its blocks are is for the dialect to say."""

    def __init__(self, name: str, client: httpx2.AsyncClient, path: str, record: Record) -> None:
        super().__init__(name)
        self._client, self._path, self._record = client, path, record

    async def _follow(self) -> None:
        last = self._record.place
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        async with self._client.sse(self._path, headers=headers) as source:
            if source.response.status_code != httpx2.codes.OK:
                return
            async for block in source:
                self._write_down(block)

    @abstractmethod
    def _write_down(self, block: httpx2.ServerSentEvent) -> None: ...


class GatewayStream(EventStream):
    """The gateway over an event stream: one topic."""

    def __init__(self, name: str, client: httpx2.AsyncClient, topic: str) -> None:
        record = Record(name)
        super().__init__(name, client, f"/api/v1/channels/app/{topic}/events?since=0", record)
        self.records[f"app/{topic}"] = record

    def _write_down(self, block: httpx2.ServerSentEvent) -> None:
        payload: dict[str, Any] = json.loads(block.data)
        if block.event == "subscribed":
            self._record.add(Began(Place.parse(payload["position"]), payload["recovered"]))
            return
        place = Place(payload["epoch"], payload["offset"])
        if block.event == "gap":
            self._record.add(Missed(payload["data"]["reason"], place))
        else:
            words = said(payload["channel"], payload["event_type"], payload["data"])
            self._record.add(Told(place, payload.get("from", place.offset), words))


class StepsStream(EventStream):
    """The steps dialect over an event stream: all that the tasks of one user do, from a topic derived from theirs."""

    def __init__(self, name: str, client: httpx2.AsyncClient, user: str) -> None:
        record = Record(name)
        super().__init__(name, client, "/sse", record)
        self.records[f"steps/{user}"] = record

    def _write_down(self, block: httpx2.ServerSentEvent) -> None:
        message: dict[str, Any] = json.loads(block.data)
        if "eventId" not in message:
            # What is told to newcomers alone has no place.
            return
        place = Place.parse(message["eventId"])
        match message["type"]:
            case "connected":
                # It begins with what comes: the first time there is nothing to have lost.
                known = self._record.place is not None
                self._record.add(Began(place, message["data"]["recovered"] or not known))
            case "gap":
                self._record.add(Missed(message["data"]["reason"], place))
            case kind:
                self._record.add(Told(place, place.offset, f"{kind} {json.dumps(message['data'], sort_keys=True)}"))


class RoomMember(Follower):
    """The agent dialect over a WebSocket: a member of a room, who listens, and talks for as long as it may."""

    def __init__(self, name: str, port: int, token: str, room: str) -> None:
        super().__init__(name)
        self._port, self._token, self._room = port, token, room
        self._record = self.records[f"room/{room}"]
        self._sent = 0
        self.acknowledged: list[Acknowledged] = []
        self._stopping = False
        self.done = trio.Event()
        """Its last words are acknowledged."""

    def stop(self) -> None:
        """After one more message."""
        self._stopping = True

    async def _follow(self) -> None:
        headers = [(b"Authorization", b"Bearer " + self._token.encode())]
        async with await trio.open_tcp_stream(HOST, self._port) as stream, trio.open_nursery() as nursery:
            socket = await wrap_client_stream(nursery, stream, HOST, "/ws/agent", extra_headers=headers)
            await self._converse(socket)
            nursery.cancel_scope.cancel()

    async def _converse(self, socket: WebSocketConnection) -> None:
        since = self._record.place
        await _send(socket, "room_join", room=self._room, since="0" if since is None else str(since))
        waiting: str | None = None
        while True:
            message: dict[str, Any] = json.loads(await socket.get_message())
            match message["type"]:
                case "room_joined":
                    self._record.add(Began(Place.parse(message["position"]), message["recovered"]))
                case "room_sent" if waiting is not None:
                    self._take_promise(Place.parse(message["position"]), waiting)
                    waiting = None
                case "error":
                    # The engine is on its way down, or not wholly up.
                    return
                case _:
                    self._write_down(message)
            if waiting is None and self._record.entries:
                waiting = await self._say_next(socket)

    async def _say_next(self, socket: WebSocketConnection) -> str | None:
        if self.done.is_set():
            return None
        self._sent += 1
        content = f"{self._sent} the end" if self._stopping else str(self._sent)
        await _send(socket, "room_message", room=self._room, content=content)
        return content

    def _take_promise(self, place: Place, content: str) -> None:
        words = room_message(self.name, content)
        self.acknowledged.append(Acknowledged(f"room/{self._room}", place, words))
        if content.endswith("the end"):
            self.done.set()

    def _write_down(self, message: dict[str, Any]) -> None:
        if "position" not in message:
            return
        place = Place.parse(message["position"])
        match message["type"]:
            case "gap":
                self._record.add(Missed(message["reason"], place))
            case "room_message":
                self._record.add(Told(place, place.offset, room_message(message["user_id"], message["content"])))
            case kind:
                words = room_member(kind.removeprefix("room_member_"), message["user_id"])
                self._record.add(Told(place, place.offset, words))


async def _send(socket: WebSocketConnection, kind: str, **fields: object) -> None:
    await socket.send_message(json.dumps({"type": kind, **fields}))
