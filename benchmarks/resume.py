"""10,000 clients come back after a restart: the time until each has all that it missed, and is live again.

    python -m benchmarks.resume [--quick] [--publish]

The engine holds topics with events, is killed with -9 and started again on the same file. Then the clients come, 64 at
a time, each with its last position, and are counted once they have been told that nothing is lost (`"recovered":true`)
and have been sent what they had missed; a new event then reaches them all. Where a client is not told so, or lacks an
event, the benchmark fails.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.callboard_server import CallboardServer
from benchmarks.load.processes import MARKER
from benchmarks.peers.catalogue import Peer
from benchmarks.picture import Panel, bars
from benchmarks.report import Reading, Report
from benchmarks.rig import CALLBOARD, GATEWAY_PATH, Rig, say
from benchmarks.settings import Benchmark, Settings, main

SUBJECT = "{x} clients after a restart"
CLIENTS = 10_000
TOPICS = 100
SEEN, MISSED = 10, 10
ALLOWED = {"requests_per_second": 1_000_000, "requests_burst": 1_000_000}


def fill(server: CallboardServer, topics: int) -> dict[str, str]:
    """Publishes to each topic; returns the position up to which its clients have seen it."""
    seen: dict[str, str] = {}
    for number in range(topics):
        topic = f"t{number}"
        positions = [server.publish(topic, {"n": place, "pad": "x" * 100}) for place in range(1, SEEN + MISSED + 1)]
        seen[topic] = positions[SEEN - 1]
    return seen


def script(topics: str) -> list[str]:
    """Of a client whose line in the file `topics` is the payload of its subscription."""
    subscribe = '{"id":"s","type":"subscribe","payload":%s}'
    whole = f'"offset":{SEEN + MISSED},'
    return ["--send", subscribe, "--expect", '"recovered":true', "--expect", whole, "--topics", topics]


def come_back(rig: Rig, clients: int) -> list[Reading]:
    topics = max(1, clients * TOPICS // CLIENTS)
    with rig.callboard(**ALLOWED) as server, tempfile.TemporaryDirectory() as folder:
        seen = fill(server, topics)
        lines = [{"channel": "app", "topics": [topic], "since": {topic: since}} for topic, since in seen.items()]
        path = Path(folder) / "topics"
        path.write_bytes(b"".join(msgspec.json.encode(lines[n % topics]) + b"\n" for n in range(clients)))
        began = time.monotonic()
        rig.on_server_core(server.restart)
        server.wait_ready()
        started = time.monotonic() - began
        with rig.generator(
            server.port,
            GATEWAY_PATH,
            clients,
            script=script(str(path)),
            marker=MARKER,
            total=clients,
            seconds=0,
            warmup=0,
        ) as load:
            opened = load.opened()
            for topic in seen:
                server.publish(topic, {"t": time.monotonic_ns()})
            live = load.result()
    if opened.ready != clients or live.fewest < 1:
        raise RuntimeError(f"{opened.ready} of {clients} clients came back, and {live.fewest} new events reached each")
    return [
        Reading(SUBJECT, CALLBOARD, "s until it serves", started, clients),
        Reading(SUBJECT, CALLBOARD, "s until all are live", opened.seconds, clients),
        Reading(SUBJECT, CALLBOARD, "missed events sent/s", clients * MISSED / opened.seconds, clients),
    ]


def measure(settings: Settings, _: Sequence[Peer]) -> list[Reading]:
    rig, clients = Rig(settings.window, fit=False), 200 if settings.quick else CLIENTS
    found: list[Reading] = []
    for repetition in range(settings.repetitions):
        say(f"[{repetition + 1}/{settings.repetitions}] resume: {clients} clients")
        readings = come_back(rig, clients)
        found += readings
        say("    " + ", ".join(f"{reading.value:,.2f} {reading.unit}" for reading in readings))
    return found


def panels(report: Report) -> list[Panel]:
    return [
        bars(
            f"{CLIENTS:,} clients come back after a restart, seconds",
            [line for line in report.lines if line.unit.startswith("s ")],
        )
    ]


def duration(settings: Settings, _: Sequence[str]) -> float:
    return settings.repetitions * 15


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
