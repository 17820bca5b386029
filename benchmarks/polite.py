"""One small stream beside whatever else there is: how long its events are on their way."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.callboard_server import CallboardServer
from benchmarks.flood_agent import Flood
from benchmarks.report import Reading
from benchmarks.rig import CALLBOARD, GATEWAY_PATH, Rig, subscribe

RATE = 100
SECONDS = 6
"""The engine's own rounds come every five seconds at the latest: one is within."""


def polite(rig: Rig, server: CallboardServer, subject: str, x: int) -> Iterator[Reading]:
    """Median, p99 and longest, in milliseconds, from when a task's events were due to their one subscriber."""
    events = round(RATE * SECONDS)
    task_id = server.create_flood(Flood(events=events, rate=RATE, due=True))
    with rig.generator(
        server.port, GATEWAY_PATH, 1, script=subscribe(task_id), seconds=0, warmup=0, total=events
    ) as one:
        one.wait_ready()
        server.start(task_id)
        watched = rig.count(server.pid, [one])
    latency, doubts = watched.counted.latency_us, tuple(watched.doubts)
    for unit, microseconds in {"p50 ms": latency.p50, "p99 ms": latency.p99, "longest ms": latency.max}.items():
        yield Reading(subject, CALLBOARD, unit, microseconds / 1000, x, doubts)
