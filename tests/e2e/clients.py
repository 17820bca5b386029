"""Clients that nobody here wrote, with the few words that every test says: `websockets` and httpx2, both blocking."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from websockets.sync.client import ClientConnection, connect

from tests.e2e.engine_process import PATIENCE

Event = dict[str, Any]
TERMINAL = ("task.completed", "task.failed", "task.cancelled")


class Socket:
    """One WebSocket client of the gateway."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._waiting: list[Event] = []
        self._ids = itertools.count(1)

    def request(self, kind: str, payload: object = None) -> dict[str, Any]:
        """Sends a request and returns its reply; events that come before it are kept."""
        name = f"r{next(self._ids)}"
        self.connection.send(json.dumps({"id": name, "type": kind, "payload": {} if payload is None else payload}))
        while (message := self._receive())["type"] == "event":
            self._waiting.append(message["payload"])
        assert message["id"] == name, message
        return message

    def subscribe(self, channel: str, *topics: str, since: dict[str, str] | None = None) -> dict[str, Any]:
        payload: dict[str, object] = {"channel": channel, "topics": topics}
        reply = self.request("subscribe", payload if since is None else {**payload, "since": since})
        assert reply["type"] == "subscribed", reply
        answered: dict[str, Any] = reply["payload"]
        return answered

    def create(self, agent: str, prompt: str, **more: object) -> dict[str, Any]:
        return self.action("create", data={"agent": agent, "prompt": prompt, **more})

    def action(self, action: str, task_id: str = "", data: object = None) -> dict[str, Any]:
        reply = self.request("task.action", {"task_id": task_id, "action": action, "data": data})
        assert reply["payload"]["success"], reply
        result: dict[str, Any] = reply["payload"]
        return result

    def event(self) -> Event:
        """The next event."""
        if self._waiting:
            return self._waiting.pop(0)
        message = self._receive()
        assert message["type"] == "event", message
        payload: Event = message["payload"]
        return payload

    def events_until(self, *last: str) -> list[Event]:
        """All events up to one of these types, by default those that end a task."""
        return list(_until(iter(self.event, None), last or TERMINAL))

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv(PATIENCE))
        return message


@contextmanager
def gateway_socket(
    url: str,
    token: str | None = None,
    device: str | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    receive_buffer: int | None = None,
) -> Iterator[Socket]:
    """A connected client, logged in where a token is given.

    It reads all that comes; with a `receive_buffer` of so many bytes no more than one frame ahead of the test.
    """
    raw = None
    if receive_buffer is not None:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        host, _, port = url.split("/")[2].partition(":")
        raw.connect((host, int(port)))
    ahead = None if receive_buffer is None else 1
    with connect(url, sock=raw, ssl=tls, max_queue=ahead, proxy=None, close_timeout=PATIENCE) as connection:
        client = Socket(connection)
        if token is not None:
            login = {"token": token} if device is None else {"token": token, "device_id": device}
            assert client.request("auth", login)["payload"]["success"]
        yield client


@contextmanager
def rest(
    url: str, token: str | None = None, *, verify: ssl.SSLContext | bool = True, http2: bool = False
) -> Iterator[httpx2.Client]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with httpx2.Client(
        base_url=url, headers=headers, timeout=PATIENCE, trust_env=False, verify=verify, http2=http2
    ) as client:
        yield client


@contextmanager
def event_stream(
    client: httpx2.Client, channel: str, topic: str, since: str | None = None
) -> Iterator[Iterator[Event]]:
    """The events of a topic as they come, without the greeting. Each `id:` has been held against its event."""
    params = {} if since is None else {"since": since}
    with client.sse(f"/api/v1/channels/{channel}/{topic}/events", params=params) as source:
        assert source.response.status_code == 200, source.response.read()
        yield _events(iter(source))


def stream_until(events: Iterator[Event], *last: str) -> list[Event]:
    return list(_until(events, last or TERMINAL))


def position(event: Event) -> str:
    """What `since` takes."""
    return f"{event['epoch']}:{event['offset']}"


def assert_gapless(events: Iterable[Event], first: int = 1) -> None:
    """Every event follows the one before, a merged one with all that it stands for: nothing lost, nothing doubled."""
    expected = first
    for event in events:
        assert event.get("from", event["offset"]) == expected, event
        expected = event["offset"] + 1


def unmerged(events: Iterable[Event]) -> list[tuple[str, object]]:
    """Types and data, adjacent pieces of text joined: the same for a client that keeps up and for one that lags."""
    joined: list[tuple[str, Any]] = []
    for event in events:
        kind, data = event["event_type"], event["data"]
        if kind == "agent.message" and joined and joined[-1][0] == kind:
            joined[-1] = (kind, {**data, "content": joined[-1][1]["content"] + data["content"]})
        else:
            joined.append((kind, data))
    return joined


def _events(source: Iterator[httpx2.ServerSentEvent]) -> Iterator[Event]:
    assert next(source).event == "subscribed"
    for block in source:
        event: Event = json.loads(block.data)
        assert (block.event, block.id) == (event["event_type"], position(event))
        yield event


def _until(events: Iterator[Event], last: tuple[str, ...]) -> Iterator[Event]:
    for event in events:
        yield event
        if event["event_type"] in last:
            return
    raise AssertionError(f"the stream ended before {' or '.join(last)}")
