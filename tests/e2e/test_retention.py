"""Each bound of each kind of channel holds in a running engine, also for topics not in use, and readers are told."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from tests.e2e.clients import event_stream, gateway_socket, rest, stream_until
from tests.e2e.engine_process import PATIENCE, engine_process

KINDS = ("task", "session", "app", "room", "agent", "system")
OVERHEAD = 200
"""Bytes charged for an event beside its data."""
PUBLISHED = 30


class Source(msgspec.Struct, frozen=True):
    """`topics` and the sizes of their events, by kind."""

    folder: Path
    topics: dict[str, str]
    sizes: dict[str, list[int]]


class Bound(msgspec.Struct, frozen=True):
    """One of the three, for every kind."""

    events: int | None = None
    bytes: int | None = None
    seconds: float | None = None

    @property
    def config(self) -> str:
        [(name, value)] = [(name, value) for name, value in msgspec.structs.asdict(self).items() if value is not None]
        return "".join(f"[retention.{kind}]\n{name} = {value}\n" for kind in KINDS)

    def floor(self, sizes: list[int]) -> int:
        """Of so large events so many of the oldest go."""
        if self.seconds is not None:
            return len(sizes)
        if self.events is not None:
            return max(0, len(sizes) - self.events)
        kept, room = 0, self.bytes or 0
        while kept < len(sizes) and sizes[-1 - kept] <= room:
            room -= sizes[-1 - kept]
            kept += 1
        return len(sizes) - kept


def publish(client: httpx2.Client, channel: str, topic: str) -> None:
    for number in range(PUBLISHED):
        event = {"channel": channel, "topic": topic, "event_type": "note", "data": {"content": "x" * (10 * number)}}
        client.post("/api/v1/publish", json=event).raise_for_status()


def history(client: httpx2.Client, channel: str, topic: str, since: str = "0") -> dict[str, Any]:
    path = f"/api/v1/channels/{channel}/{topic}/history"
    page: dict[str, Any] = client.get(path, params={"since": since, "limit": 1000}).raise_for_status().json()
    return page


def sizes_of(client: httpx2.Client, channel: str, topic: str) -> list[int]:
    """What each event of a topic is charged for."""
    bodies = [msgspec.json.encode(event["data"]) for event in history(client, channel, topic)["events"]]
    return [len(body) + OVERHEAD for body in bodies]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """An engine's folder with a topic of each kind, of which all is kept."""
    folder = tmp_path_factory.mktemp("kept")
    with engine_process(folder) as engine, rest(engine.url) as client:
        client.post("/api/v1/agents", json={"name": "far", "description": ""}).raise_for_status()
        session = client.post("/api/v1/sessions", json={"title": ""}).raise_for_status().json()["id"]
        asked = client.post("/api/v1/tasks", json={"agent": "burst", "prompt": str(PUBLISHED)})
        topics = {"task": asked.raise_for_status().json()["id"], "session": session, "app": "news"}
        topics |= {"room": "lobby", "agent": "far", "system": "broadcasts"}
        for kind in KINDS[1:]:
            publish(client, kind, topics[kind])
        with event_stream(client, "task", topics["task"], "0") as events:
            stream_until(events)
        sizes = {kind: sizes_of(client, kind, topics[kind]) for kind in KINDS}
    return Source(folder, topics, sizes)


def check(client: httpx2.Client, socket_url: str, channel: str, topic: str, floor: int, tail: int) -> None:
    """Returns once what was said up to `floor` is gone, and all who stood at the first event were told so."""
    epoch = history(client, channel, topic)["position"].partition(":")[0]
    since, gap = f"{epoch}:1", {"from": 2, "to": floor, "reason": "retention"}
    end = time.monotonic() + PATIENCE
    while (page := history(client, channel, topic, since))["gap"] != gap:
        assert time.monotonic() < end, (channel, page["gap"], gap)
    assert [event["offset"] for event in page["events"]] == [*range(floor + 1, tail + 1)]
    with gateway_socket(socket_url) as socket:
        socket.subscribe(channel, topic, since={topic: since})
        told = socket.event()
    assert (told["event_type"], told["data"], told["offset"]) == ("gap", gap, floor)
    path = f"/api/v1/channels/{channel}/{topic}/events"
    with client.sse(path, headers={"Last-Event-ID": since}) as stream:
        blocks = iter(stream)
        assert next(blocks).event == "subscribed"
        block = next(blocks)
        assert (block.event, block.id) == ("gap", f"{epoch}:{floor}")
        assert json.loads(block.data)["data"] == gap


@pytest.mark.parametrize("bound", [Bound(events=10), Bound(bytes=4_000), Bound(seconds=1.0)])
def test_what_is_beyond_a_bound_goes_and_every_reader_is_told(source: Source, bound: Bound, tmp_path: Path) -> None:
    shutil.copytree(source.folder, tmp_path / "copy")
    with engine_process(tmp_path / "copy", bound.config) as engine:
        with rest(engine.url) as client:
            for kind, sizes in source.sizes.items():
                # Nobody has used it since the start.
                check(client, engine.socket_url, kind, source.topics[kind], bound.floor(sizes), len(sizes))
            for kind in KINDS[1:]:
                publish(client, kind, source.topics[kind])
            for kind in KINDS[1:]:
                sizes = source.sizes[kind] + source.sizes[kind][-PUBLISHED:]
                check(client, engine.socket_url, kind, source.topics[kind], bound.floor(sizes), len(sizes))
        assert engine.stop() == 0
        [trouble] = engine.troubles()
        # The folder is a copy.
        assert "not as it was left" in trouble["event"]
