"""10,000 clients come back after a restart: the time until each has all that it missed, and is live again.

    python -m benchmarks.resume [--quick] [--publish]

The engine holds topics with events, is killed with -9 and started again on the same file. Then the clients come, 64 at
a time, each with its last position, and are counted once they have been told that nothing is lost (`"recovered":true`)
and have been sent what they had missed; a new event then reaches them all. Where a client is not told so, or lacks an
event, the benchmark fails. Once a hundred clients share a topic, and once each has a topic of its own.

Then: how long an engine takes from its start until it serves, and how much memory it has then, by the tasks that ended
before and are kept.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path

import msgspec

from actors.event import Json
from actors.log import new_epoch
from benchmarks.callboard_server import CallboardServer
from benchmarks.kept_store import ended_tasks, filled, published
from benchmarks.load.processes import MARKER
from benchmarks.machine import resident_bytes
from benchmarks.peers.catalogue import Peer
from benchmarks.picture import Panel, bars, curves
from benchmarks.report import Reading, Report, series
from benchmarks.rig import CALLBOARD, GATEWAY_PATH, Rig, say
from benchmarks.settings import Benchmark, Settings, main

CLIENTS, FEW = 10_000, 200
SHARED, OWN = "{x} clients, 100 a topic", "{x} clients, each a topic of its own"
A_TOPIC = 100
STARTED = "start with {x} kept tasks"
SEEN, MISSED = 10, 10
ALLOWED = {"requests_per_second": 1_000_000, "requests_burst": 1_000_000}


def lines(epochs: Mapping[str, str]) -> list[bytes]:
    """The payloads of the subscriptions, one for each topic, of clients that have seen half of its events."""
    asked = [
        {"channel": "app", "topics": [topic], "since": {topic: f"{epoch}:{SEEN}"}} for topic, epoch in epochs.items()
    ]
    return [msgspec.json.encode(each) + b"\n" for each in asked]


def script(topics: Path) -> list[str]:
    """Of a client whose line in the file `topics` is the payload of its subscription."""
    subscribe = '{"id":"s","type":"subscribe","payload":%s}'
    whole = f'"offset":{SEEN + MISSED},'
    return ["--send", subscribe, "--expect", '"recovered":true', "--expect", whole, "--topics", str(topics)]


def restart(rig: Rig, server: CallboardServer) -> float:
    """Seconds from the start of the new process until it serves."""
    began = time.monotonic()
    rig.on_server_core(server.restart)
    server.wait_ready()
    return time.monotonic() - began


def come_back(rig: Rig, subject: str, clients: int) -> list[Reading]:
    topics = clients if subject == OWN else max(1, clients // A_TOPIC)
    epochs = {f"t{number}": new_epoch() for number in range(topics)}
    data: list[Json] = [{"n": place, "pad": "x" * 100} for place in range(SEEN + MISSED)]
    fill = filled(published(epochs, data))
    with rig.callboard(False, None, fill, **ALLOWED) as server, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "topics"
        path.write_bytes(b"".join(islice(cycle(lines(epochs)), clients)))
        # What was published since it ran is kept no less than what it found.
        server.publish("t0", {"n": SEEN + MISSED})
        started = restart(rig, server)
        with rig.generator(
            server.port,
            GATEWAY_PATH,
            clients,
            script=script(path),
            marker=MARKER,
            total=clients,
            seconds=0,
            warmup=0,
        ) as load:
            opened = load.opened()
            for topic in epochs:
                server.publish(topic, {"t": time.monotonic_ns()})
            live = load.result()
    if opened.ready != clients or live.fewest < 1:
        raise RuntimeError(f"{opened.ready} of {clients} clients came back, and {live.fewest} new events reached each")
    return [
        Reading(subject, CALLBOARD, "s until it serves", started, clients),
        Reading(subject, CALLBOARD, "s until all are live", opened.seconds, clients),
        Reading(subject, CALLBOARD, "missed events sent/s", clients * MISSED / opened.seconds, clients),
    ]


def starts(rig: Rig, tasks: int, repetitions: int) -> list[Reading]:
    found: list[Reading] = []
    with rig.callboard(False, None, filled(ended_tasks(tasks)), finished_tasks=tasks, topics=2 * tasks) as server:
        for _ in range(repetitions):
            found.append(Reading(STARTED, CALLBOARD, "s until it serves", restart(rig, server), tasks))
            found.append(Reading(STARTED, CALLBOARD, "MiB", resident_bytes(server.pid) / (1 << 20), tasks))
    return found


def kept_tasks(settings: Settings) -> tuple[int, ...]:
    return (100, 1000) if settings.quick else (1000, 10_000, 100_000)


def measure(settings: Settings, _: Sequence[Peer]) -> list[Reading]:
    rig, clients = Rig(settings.window, fit=False), FEW if settings.quick else CLIENTS
    found: list[Reading] = []
    for repetition in range(settings.repetitions):
        for subject in (SHARED, OWN):
            say(f"[{repetition + 1}/{settings.repetitions}] resume: {subject.format(x=f'{clients:,}')}")
            found += _told(come_back(rig, subject, clients))
    for tasks in kept_tasks(settings):
        say(f"resume: {STARTED.format(x=f'{tasks:,}')}")
        found += _told(starts(rig, tasks, settings.repetitions))
    return found


def _told(readings: list[Reading]) -> list[Reading]:
    say("    " + ", ".join(f"{reading.value:,.2f} {reading.unit}" for reading in readings))
    return readings


def panels(report: Report) -> list[Panel]:
    def of(unit: str, *subjects: str) -> dict[str, list[tuple[float, float]]]:
        return series(line for line in report.lines if line.unit == unit and line.subject in subjects)

    def back(subject: str) -> Panel:
        found = [line for line in report.lines if line.subject == subject and line.unit.startswith("s ")]
        clients = max((line.x for line in found), default=0)
        return bars(
            f"After a restart, {subject.format(x=f'{clients:,}')}: s until it serves, until all are live", found
        )

    return [
        back(SHARED),
        back(OWN),
        curves("Seconds from a start until it serves, by the kept tasks", of("s until it serves", STARTED)),
        curves("MiB then, by the kept tasks", of("MiB", STARTED)),
    ]


def duration(settings: Settings, _: Sequence[str]) -> float:
    each = 10 if settings.quick else 35
    return settings.repetitions * each + sum(kept_tasks(settings)) / 7_000


RESUME = Benchmark(
    name="resume",
    about=(__doc__ or "").partition("\n")[0],
    measure=measure,
    panels=panels,
    floor=CALLBOARD,
    has_peers=False,
    duration=duration,
)

if __name__ == "__main__":
    main([RESUME], None, "benchmarks.resume")
