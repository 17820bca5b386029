"""Producers that publish to topics of their own as fast as the store takes it, in this process: a JSON line of figures.

    python -m benchmarks.store_producers FOLDER PRODUCERS SECONDS {one|each}

`one` waits for each event to be kept before it publishes the next, `each` hands over as many as the journal has room
for. FOLDER is where the database is made.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import msgspec
import trio

from actors.channels import Channels, ChannelsOptions, Keeping
from actors.childspec import ChildSpec
from actors.event import ChannelKey, Json, Merge, draft
from actors.journal import Journal
from actors.log import Retention
from benchmarks.machine import median, percentile
from engine.sqlite_log import SqliteLog
from engine.sqlite_store import SqliteStore

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


async def run(folder: Path, producers: int, seconds: float, *, one_by_one: bool) -> Kept:
    log = SqliteLog(folder / "bench.db")
    store = SqliteStore(log)
    journal = Journal(store)
    window = Retention(1_000, 1 << 20, float("inf"))
    waits: list[float] | None = [] if one_by_one else None
    async with trio.open_nursery() as nursery:
        keeping = Keeping(journal, store, lambda key: True, window)
        channels = Channels(Spawner(nursery), {}, ChannelsOptions(), keeping)
        await nursery.start(journal.run)
        began, cpu = time.perf_counter(), time.process_time()
        async with trio.open_nursery() as busy:
            for number in range(producers):
                busy.start_soon(partial(produce, channels, number, began + seconds, waits))
        await journal.keep()
        took, spent = time.perf_counter() - began, time.process_time() - cpu
        done = journal.statistics()
        nursery.cancel_scope.cancel()
    log.close()
    found = waits or [0.0]
    return Kept(done.events, took, done.commits, spent, median(found), percentile(found, 0.99))


if __name__ == "__main__":
    where, count, length, how = sys.argv[1:]
    kept = trio.run(partial(run, Path(where), int(count), float(length), one_by_one=how == "one"))
    sys.stdout.write(msgspec.json.encode(kept).decode() + "\n")
