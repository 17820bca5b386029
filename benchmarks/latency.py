"""How long an event is on its way at 10 events a second; and what changes where some of the subscribers read nothing.

    python -m benchmarks.latency [--quick | --full] [--no-peers] [--server NAME] [--publish]

The stalled readers are among the subscribers and are made to stall: 6 MiB of large events goes out once they are
there, more than the kernel takes for them. The others come behind them, and the times are theirs. Just before, as many
readers are measured without stalled ones, for the change of p99 and of the server's memory. The peers are so
measured once, with one number of them; with `--full` like Callboard. Without stalled readers 200 events are timed: of
a few the slowest alone would be p99. There too the peers are measured once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from benchmarks.machine import resident_bytes
from benchmarks.peers.catalogue import Peer
from benchmarks.picture import Panel, bars, curves
from benchmarks.report import Reading, Report, series
from benchmarks.rig import CALLBOARD, FLOOR, Failed, Load, Rig, Watched, Window, attempt, say
from benchmarks.settings import RUN_SECONDS, Benchmark, Settings, main

PER_SECOND = 10
FILL_SECONDS = 1.5
FILL = 384
"""Large events of 16 KiB."""
MANY = 1000
FEW = 20
"""Fewer stalled readers than these do not stand out from the noise of the server's memory."""
CALM = {
    Load("ws"): "WebSocket, {x} subscribers",
    Load("sse"): "SSE, {x} subscribers",
    Load("ws", kept=True): "WebSocket, each event committed before it is sent, {x} subscribers",
}
"""By load, whatever the number of subscribers."""
STALLED = "WebSocket, beside {x} stalled readers"
NONE_STALLED = "WebSocket, as many readers without those {x}"
P99, CHANGE, MEMORY = "p99 ms", "change of p99 in %", "KiB a stalled reader"
WARMUP = 1.0
LONGER = 2
"""Times the window: ten events a second are few for a quantile."""
CALM_EVENTS = 200
KIB = 1024


class Outcome(msgspec.Struct, frozen=True):
    """A measurement beside stalled readers, and the server's memory at its end."""

    watched: Watched
    bytes: int


def audience(settings: Settings) -> int:
    return 100 if settings.quick else MANY


def stalled_numbers(settings: Settings, server: str) -> tuple[int, ...]:
    """None for the floor, which blocks with its slowest reader."""
    if server == FLOOR:
        return ()
    if settings.quick:
        return (1, FEW)
    return (1, FEW, 200) if settings.full or server == CALLBOARD else (FEW,)


def calm(rig: Rig, server: str, load: Load, count: int) -> Iterator[Reading]:
    subject = CALM[load]
    watched = rig.try_watch(server, msgspec.structs.replace(load, connections=count, rate=PER_SECOND))
    if isinstance(watched, Failed):
        yield Reading(subject, server, P99, 0, count, failed=watched.reason)
        return
    latency, doubts = watched.counted.latency_us, tuple(watched.doubts)
    figures = {"p50 ms": latency.p50, P99: latency.p99, "p99.9 ms": latency.p999}
    for unit, microseconds in figures.items():
        yield Reading(subject, server, unit, microseconds / 1000, count, doubts)


def calm_seconds(settings: Settings) -> float:
    """How long a measurement without stalled readers takes."""
    return LONGER * settings.seconds if settings.quick else max(LONGER * settings.seconds, CALM_EVENTS / PER_SECOND)


def beside(rig: Rig, server: str, readers: int, stalled: int) -> Outcome:
    """The stalled, and one that reads, are there for the large events; the other readers come then."""
    load = Load("ws", readers + stalled, PER_SECOND, fill=FILL)
    first = msgspec.structs.replace(load, connections=1, stalled=stalled)
    others = msgspec.structs.replace(load, connections=readers - 1)
    with rig.sending(server, load) as target, rig.follow(target, "ws", first) as filled:
        filled.wait_ready()
        target.start()
        with rig.follow(target, "ws", others) as counted:
            counted.wait_ready()
            watched = rig.count(target.pid, [counted])
            return Outcome(watched, resident_bytes(target.pid))


def with_stalled(rig: Rig, server: str, readers: int, stalled: int) -> Iterator[Reading]:
    """The readers alone first, then beside the stalled ones, and what that changes."""
    alone = _said(rig, server, readers, 0)
    some = alone if isinstance(alone, Failed) else _said(rig, server, readers, stalled)
    for subject, outcome in ((NONE_STALLED, alone), (STALLED, some)):
        if isinstance(outcome, Failed):
            yield Reading(subject, server, P99, 0, stalled, failed=outcome.reason)
        else:
            watched = outcome.watched
            p99 = watched.counted.latency_us.p99 / 1000
            yield Reading(subject, server, P99, p99, stalled, tuple(watched.doubts))
    if isinstance(alone, Outcome) and isinstance(some, Outcome):
        yield from _changes(server, alone, some, stalled)


def _changes(server: str, none: Outcome, some: Outcome, number: int) -> Iterator[Reading]:
    doubts = tuple(dict.fromkeys([*none.watched.doubts, *some.watched.doubts]))
    change = 100 * (some.watched.counted.latency_us.p99 / none.watched.counted.latency_us.p99 - 1)
    yield Reading(STALLED, server, CHANGE, change, number, doubts)
    if number >= FEW:
        yield Reading(STALLED, server, MEMORY, (some.bytes - none.bytes) / number / KIB, number, doubts)


def _said(rig: Rig, server: str, readers: int, stalled: int) -> Outcome | Failed:
    outcome = attempt(server, lambda: beside(rig, server, readers, stalled))
    if isinstance(outcome, Outcome):
        p99, memory = outcome.watched.counted.latency_us.p99 / 1000, outcome.bytes / KIB / KIB
        say(f"    {readers} read, {stalled} stalled: p99 {p99:.1f} ms, {memory:.0f} MiB{outcome.watched.doubts_text}")
    return outcome


def measure(settings: Settings, peers: Sequence[Peer]) -> list[Reading]:
    servers, count = settings.chosen(peers), audience(settings)
    rig = Rig(Window(WARMUP, LONGER * settings.seconds), fit=CALLBOARD in servers)
    calm_rig = Rig(Window(WARMUP, calm_seconds(settings)), fit=CALLBOARD in servers)
    found: list[Reading] = []
    for repetition in range(settings.repetitions):
        for server in servers:
            if repetition and not settings.full and server not in (FLOOR, CALLBOARD):
                continue
            say(f"[{repetition + 1}/{settings.repetitions}] latency: {server}, {count} subscribers")
            for load in loads(server):
                found += calm(calm_rig, server, load, count)
                say("    " + ", ".join(f"{reading.value:.1f} {reading.unit}" for reading in found[-3:]))
            for stalled in stalled_numbers(settings, server):
                found += with_stalled(rig, server, count - stalled, stalled)
    return found


def loads(server: str) -> tuple[Load, ...]:
    """What is measured of the server without stalled readers. The floor's log is none."""
    if server == CALLBOARD:
        return tuple(CALM)
    return (Load("ws"), Load("sse")) if server == FLOOR else (Load("ws"),)


def panels(report: Report) -> list[Panel]:
    found = [line for line in report.lines if not line.failed]
    quiet = [line for line in found if line.subject == CALM[Load("ws")] and line.unit == P99]
    stalled = [line for line in found if line.subject == STALLED]
    memory = [line for line in stalled if line.unit == MEMORY and line.x == FEW]
    return [
        bars("p99 at 10 events a second, milliseconds", quiet),
        curves(
            "p99 of the others by the number of stalled readers", series(line for line in stalled if line.unit == P99)
        ),
        bars(f"Memory by which a server grows for each of {FEW} stalled readers, KiB", memory),
    ]


def duration(settings: Settings, servers: Sequence[str]) -> float:
    """A run beside stalled readers takes some seconds more, for the large events."""
    again = settings.repetitions - 1
    calm_runs = sum(
        len(loads(server)) * (1 + again * (settings.full or server in (FLOOR, CALLBOARD))) for server in servers
    )
    calm = WARMUP + calm_seconds(settings) + RUN_SECONDS
    pairs = {server: len(stalled_numbers(settings, server)) for server in servers}
    each = WARMUP + LONGER * settings.seconds + RUN_SECONDS
    always = sum(count for server, count in pairs.items() if settings.full or server == CALLBOARD)
    once = sum(pairs.values()) - always
    large = (each + FILL_SECONDS) * 2 * (settings.repetitions * always + once)
    return calm_runs * calm + large


LATENCY = Benchmark(
    name="latency", about=(__doc__ or "").partition("\n")[0], measure=measure, panels=panels, duration=duration
)

if __name__ == "__main__":
    main([LATENCY], None, "benchmarks.latency")
