"""Producers that publish to topics of their own as fast as the store takes it, in this process: a JSON line of figures.

    python -m benchmarks.store_producers FOLDER PRODUCERS SECONDS {one|each|beside}

`one` waits for each event to be kept before it publishes the next, `each` hands over as many as the journal has room
for; `beside` is as `one`, while the retention takes away what other topics hold too much of. FOLDER is where the
database is made.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import msgspec
import trio

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.childspec import ChildSpec
from actors.event import ChannelKey, Json, Merge, draft
from actors.journal import Journal
from actors.kept_topics import Keeping
from actors.log import new_epoch
from actors.retainer import Retainer, RetainerOptions
from actors.retention import Retention
from benchmarks.kept_store import filled, published
from benchmarks.machine import median, percentile
from engine.sqlite_log import SqliteLog
from engine.sqlite_store import SqliteStore
from engine.upkeep import Upkeep, UpkeepOptions

OVERFULL_TOPICS, OVERFULL_EVENTS = 40, 2_000
"""Of topics with too many events so many for each second that is measured."""
EACH_SECONDS = 0.05
"""How often the retention looks."""
WORD: Json = {"content": "so many words", "at": 1_700_000_000_000}


class Kept(msgspec.Struct, frozen=True):
    """What was kept, and how long a producer waited for it where it did: milliseconds."""

    events: int
    seconds: float
    commits: int
    cpu_seconds: float
    p50_ms: float
    p99_ms: float


class Spawner:
    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    def start_child_nowait(self, spec: ChildSpec) -> None:
        self._nursery.start_soon(spec.run, trio.TASK_STATUS_IGNORED)


async def produce(channels: Channels, number: int, until: float, waits: list[float] | None) -> None:
    """`waits`: where to note how long each event took to be kept; None to wait for none of them."""
    key = ChannelKey("task", f"task-{number}", "bench")
    while (began := time.perf_counter()) < until:
        word = draft("agent.message", WORD, merge=Merge.TEXT, merge_key="m")
        if waits is None:
            await channels.emit(key, word)
        else:
            await channels.publish(key, word)
            waits.append(1e3 * (time.perf_counter() - began))


def _overfill(path: Path, seconds: float) -> None:
    """More than the retention takes away in so long a time."""
    data: list[Json] = [WORD] * OVERFULL_EVENTS
    filled(published({f"full-{number}": new_epoch() for number in range(round(OVERFULL_TOPICS * seconds))}, data))(path)


async def run(folder: Path, producers: int, seconds: float, *, one_by_one: bool, beside: bool = False) -> Kept:
    path = folder / "bench.db"
    if beside:
        _overfill(path, seconds)
    log = SqliteLog(path)
    store = SqliteStore(log)
    journal = Journal(store)
    window = Retention(1_000, 1 << 20, float("inf"))
    waits: list[float] | None = [] if one_by_one else None
    async with trio.open_nursery() as nursery:
        keeping = Keeping(journal, store, lambda key: True, window)
        channels = Channels(Spawner(nursery), {}, ChannelsOptions(), keeping)
        await nursery.start(journal.run)
        if beside:
            for topic in await store.topics():
                channels.take_up(topic)
            bounds = {"app": Retention(events=1)}
            retainer = Retainer(store, journal, channels, bounds, options=RetainerOptions(round_seconds=EACH_SECONDS))
            await nursery.start(retainer.run)
            await nursery.start(Upkeep(store, UpkeepOptions(every_seconds=EACH_SECONDS)).run)
        began, cpu = time.perf_counter(), time.process_time()
        async with trio.open_nursery() as busy:
            for number in range(producers):
                busy.start_soon(partial(produce, channels, number, began + seconds, waits))
        await journal.keep()
        took, spent = time.perf_counter() - began, time.process_time() - cpu
        done = journal.statistics()
        busy_all_along = not beside or await store.purge()
        nursery.cancel_scope.cancel()
    log.close()
    if not busy_all_along:
        raise RuntimeError("the retention had done all there was to do before the end")
    found = waits or [0.0]
    return Kept(done.events, took, done.commits, spent, median(found), percentile(found, 0.99))


if __name__ == "__main__":
    where, count, length, how = sys.argv[1:]
    kept = trio.run(
        partial(run, Path(where), int(count), float(length), one_by_one=how != "each", beside=how == "beside")
    )
    sys.stdout.write(msgspec.json.encode(kept).decode() + "\n")
