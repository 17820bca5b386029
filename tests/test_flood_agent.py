"""The benchmark's agent fills the writes as it is told: what its figures are called rests on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.agent import Result
from actors.channels import Channels
from actors.childspec import ChildSpec
from actors.commands import CreateTask
from actors.event import ChannelKey, Event
from actors.journal import Journal
from actors.kept_topics import Keeping
from actors.outbox import Outbox, OutboxOptions
from actors.position import Position
from actors.retention import Retention
from actors.task_context import RunningContext
from actors.task_record import TaskRecord
from actors.task_services import TaskServices
from actors.timers import Timers
from benchmarks.flood_agent import Flood, flood
from tests.support.memory_store import MemoryStore

KEY = ChannelKey("task", "task-1")
SUBSCRIBERS = 1000


class RecordingSink:
    """Takes every write whole and keeps it."""

    broadcast = None
    fileno = -1

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write_nowait(self, data: bytes | memoryview) -> int:
        self.writes.append(bytes(data))
        return len(data)

    async def write_all(self, data: bytes | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self.write_nowait(data)

    def abort(self) -> None:
        raise AssertionError("no subscriber of this test is ever given up")


class LineEncoder:
    def encode(self, event: Event) -> bytes:
        return event.body + b"\n"


class NurserySpawner:
    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    def start_child_nowait(self, spec: ChildSpec) -> None:
        self._nursery.start_soon(spec.run, trio.TASK_STATUS_IGNORED)


class NoTools:
    def specs(self) -> tuple[()]:
        return ()

    async def call(self, name: str, arguments: object) -> None:
        raise NotImplementedError


@pytest.fixture
async def channels(nursery: trio.Nursery) -> AsyncIterator[Channels]:
    opened = Channels(NurserySpawner(nursery), {})
    yield opened
    opened.close()


def attach(channels: Channels, nursery: trio.Nursery, count: int) -> list[RecordingSink]:
    def spawn(writer: Callable[[], Awaitable[None]]) -> None:
        nursery.start_soon(writer)

    sinks, encoder = [RecordingSink() for _ in range(count)], LineEncoder()
    for sink in sinks:
        channels.subscribe(KEY, Outbox(sink, spawn, OutboxOptions()), encoder, channels.resume(KEY, None))
    return sinks


async def run_flood(channels: Channels, order: Flood) -> Result:
    command = CreateTask(agent="flood", prompt=msgspec.json.encode(order).decode())
    record = TaskRecord("task-1", "anonymous", command, None, Position("e", 0), 10)
    services = TaskServices(channels, NoTools(), {}, Timers(), 1, 1, client_tool_seconds=1, client_tool_bytes=1)
    context = RunningContext(record, KEY, services)
    context.begin_turn(record.take_turn() or "")
    await context.flush()
    record.append_turn("go")
    return await flood(context)


async def written(sinks: list[RecordingSink], events: int) -> list[list[bytes]]:
    """The writes that carry the flood's events, once all have arrived everywhere."""
    while sum(write.count(b'"pad"') for write in sinks[-1].writes) < events:
        await trio.lowlevel.checkpoint()
    return [[write for write in sink.writes if b'"pad"' in write] for sink in sinks]


@pytest.mark.parametrize("window", [1, 16])
async def test_each_burst_is_one_write_to_each_subscriber(
    channels: Channels, nursery: trio.Nursery, window: int
) -> None:
    sinks = attach(channels, nursery, SUBSCRIBERS)
    result = await run_flood(channels, Flood(events=64, window=window, pad=10, pause=4 + SUBSCRIBERS // 128))
    writes = await written(sinks, 64)
    assert result.text == "64 events"
    assert all(len(each) == 64 // window for each in writes)
    assert {write.count(b'"pad":"xxxxxxxxxx"') for each in writes for write in each} == {window}


async def test_keeps_to_the_rate(channels: Channels, nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    sinks = attach(channels, nursery, 1)
    began = trio.current_time()
    await run_flood(channels, Flood(events=11, rate=10))
    assert trio.current_time() - began == pytest.approx(1.0)
    assert len((await written(sinks, 11))[0]) == 11


async def test_stops_at_the_last_event_in_the_middle_of_a_burst(channels: Channels, nursery: trio.Nursery) -> None:
    sinks = attach(channels, nursery, 3)
    result = await run_flood(channels, Flood(events=20, window=16))
    assert result.text == "20 events"
    for each in await written(sinks, 20):
        assert sum(write.count(b'"pad"') for write in each) == 20


async def test_what_is_kept_is_in_the_log_before_the_next_event(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    store = MemoryStore(seconds=0.01)
    journal = Journal(store)
    await nursery.start(journal.run)
    keeping = Keeping(journal, store, lambda key: True, Retention())
    channels = Channels(NurserySpawner(nursery), {}, keeping=keeping)
    sinks = attach(channels, nursery, SUBSCRIBERS)
    began = trio.current_time()
    await run_flood(channels, Flood(events=8, kept=True, pad=1, pause=4 + SUBSCRIBERS // 128))
    assert trio.current_time() - began == pytest.approx(0.09, abs=0.01)
    for each in await written(sinks, 8):
        assert [write.count(b'"pad"') for write in each] == [1] * 8
    channels.close()
