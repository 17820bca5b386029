"""What is kept in SQLite before it is delivered: events a second, and how long one producer waits for its commit.

    python -m benchmarks.store [--quick] [--publish]

The floor is Python's sqlite3 alone, which writes rows of the same form into a file of the same settings (WAL,
`synchronous=FULL`): one in a transaction, or as many as the engine had in one on average. The one producer is measured
alone, and while the retention takes away what other topics hold too much of.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from actors.event import ChannelKey
from benchmarks.callboard_server import ROOT
from benchmarks.machine import median, percentile
from benchmarks.peers.catalogue import Peer
from benchmarks.picture import Panel, bars
from benchmarks.report import Line, Reading, Report
from benchmarks.rig import CALLBOARD, say
from benchmarks.settings import Benchmark, Settings, main
from benchmarks.store_producers import WORD, Kept
from engine.database import open_database
from engine.event_slot import event_slot

BARE = "sqlite3"
RATE = "{x} producers"
WAIT = "one producer, until its event is kept"
BESIDE = "one producer beside the retention, until its event is kept"
PRODUCERS = 50
_ROW = "INSERT INTO settled VALUES (?, 1700000000000, ?, 1, 'm', 'agent.message', ?)"


def engine(producers: int, seconds: float, how: str) -> Kept:
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        command = [sys.executable, "-m", "benchmarks.store_producers", folder, str(producers), str(seconds), how]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return msgspec.json.decode(done.stdout, type=Kept)


def bare(seconds: float, batch: int) -> tuple[float, list[float]]:
    """Rows a second, and the milliseconds of each transaction of `batch` rows."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        db = open_database(Path(folder) / "bench.db")
        body = msgspec.json.encode(WORD)
        for topic in range(PRODUCERS):
            key = ChannelKey("task", f"task-{topic}", "bench")
            db.execute("INSERT INTO topic (channel, topic, owner, epoch) VALUES (?, ?, ?, 'e')", tuple(_named(key)))
        waits, rows, began = list[float](), 0, time.perf_counter()
        while (start := time.perf_counter()) < began + seconds:
            batched = range(rows, rows + batch)
            _write(db, [(event_slot(1 + row % PRODUCERS, 1 + row), row * len(body), body) for row in batched])
            rows += batch
            waits.append(1e3 * (time.perf_counter() - start))
        took = time.perf_counter() - began
        db.close()
    return rows / took, waits


def _named(key: ChannelKey) -> Sequence[str]:
    return key.channel, key.topic, key.owner


def _write(db: sqlite3.Connection, rows: Sequence[tuple[int, int, bytes]]) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.executemany(_ROW, rows)
    db.execute("COMMIT")


def rates(settings: Settings) -> list[Reading]:
    kept = engine(PRODUCERS, settings.seconds, "each")
    per_second = kept.events / kept.seconds
    batch = max(1, round(kept.events / kept.commits))
    floor, _ = bare(settings.seconds, batch)
    return [
        Reading(RATE, BARE, "durable events/s", floor, PRODUCERS),
        Reading(RATE, CALLBOARD, "durable events/s", per_second, PRODUCERS),
        Reading(RATE, CALLBOARD, "events a commit", batch, PRODUCERS),
        Reading(RATE, CALLBOARD, "CPU µs an event", 1e6 * kept.cpu_seconds / kept.events, PRODUCERS),
    ]


def waits(settings: Settings) -> list[Reading]:
    _, floor = bare(settings.seconds, 1)
    kept = engine(1, settings.seconds, "one")
    return [
        Reading(WAIT, BARE, "p50 ms", median(floor)),
        Reading(WAIT, BARE, "p99 ms", percentile(floor, 0.99)),
        Reading(WAIT, CALLBOARD, "p50 ms", kept.p50_ms),
        Reading(WAIT, CALLBOARD, "p99 ms", kept.p99_ms),
    ]


def beside(settings: Settings) -> list[Reading]:
    kept = engine(1, settings.seconds, "beside")
    return [
        Reading(BESIDE, CALLBOARD, "p50 ms", kept.p50_ms),
        Reading(BESIDE, CALLBOARD, "p99 ms", kept.p99_ms),
    ]


def measure(settings: Settings, _: Sequence[Peer]) -> list[Reading]:
    (ROOT / "build").mkdir(exist_ok=True)
    found: list[Reading] = []
    parts: tuple[tuple[str, Callable[[Settings], list[Reading]]], ...] = (
        (f"{PRODUCERS} producers", rates),
        ("one producer", waits),
        ("one producer beside the retention", beside),
    )
    for repetition in range(settings.repetitions):
        for name, part in parts:
            say(f"[{repetition + 1}/{settings.repetitions}] store: {name}")
            readings = part(settings)
            found += readings
            say("    " + ", ".join(f"{reading.server} {reading.value:,.2f} {reading.unit}" for reading in readings))
    return found


def panels(report: Report) -> list[Panel]:
    def of(subject: str) -> list[Line]:
        return [line for line in report.lines if line.subject == subject]

    rate = [line for line in report.lines if line.unit == "durable events/s"]
    return [
        bars(f"Durable events a second, {PRODUCERS} producers", rate),
        *(bars(f"{subject[0].upper()}{subject[1:]}: p50 and p99, ms", of(subject)) for subject in (WAIT, BESIDE)),
    ]


def duration(settings: Settings, _: Sequence[str]) -> float:
    return settings.repetitions * (6 * settings.seconds + 8)


STORE = Benchmark(
    name="store",
    about=(__doc__ or "").partition("\n")[0],
    measure=measure,
    panels=panels,
    floor=BARE,
    has_peers=False,
    duration=duration,
)

if __name__ == "__main__":
    main([STORE], None, "benchmarks.store")
