"""How long an event is on its way at 10 events a second, with and without subscribers who have stopped reading.

    python -m benchmarks.latency [--quick] [--no-peers] [--server NAME] [--publish]

The stalled ones are made to stall: 1 MiB of large events goes out first. The times are those of the others. A peer that
leaves SO_SNDBUF to the kernel hides up to about 4 MB for each stalled reader there, where its own memory does not show
it and it has not noticed anything yet: its memory is no figure to compare with, and is not told.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers.catalogue import Kind, Peer
from benchmarks.picture import Panel, bars, curves
from benchmarks.report import Reading, Report
from benchmarks.rig import CALLBOARD, FLOOR, Load, Rig, Watched, say
from benchmarks.settings import Benchmark, Settings, main

PER_SECOND = 10
FILL = 64
MEGA = 1_000_000
CALM = "WebSocket, {x} subscribers"
STALLED = "subscribers beside {x} stalled ones"
WARMUP = 2.0
"""Seconds: the large events are read by then."""


def loads(settings: Settings) -> list[Load]:
    count, stalled = (100, (1, 20)) if settings.quick else (1000, (1, 20, 200))
    calm = [Load("ws", count, PER_SECOND), Load("sse", count, PER_SECOND)]
    return [*calm, *(Load("ws", count, PER_SECOND, stalled=some, fill=FILL) for some in (0, *stalled))]


def can(server: str, load: Load, nchan: Sequence[str]) -> bool:
    """The floor blocks with its slowest reader, and Nchan's publisher sends small events only; SSE is ours."""
    if load.fill:
        return server != FLOOR and server not in nchan
    return load.transport == "ws" or server in (FLOOR, CALLBOARD)


def readings(server: str, load: Load, watched: Watched) -> list[Reading]:
    latency, doubts = watched.counted.latency_us, tuple(watched.doubts)
    if load.fill:
        subject, x = STALLED, load.stalled
        figures = {"p99 ms": latency.p99 / 1000}
        if server == CALLBOARD:
            figures["MB grown"] = watched.grown_bytes / MEGA
    else:
        subject, x = CALM if load.transport == "ws" else CALM.replace("WebSocket", "SSE"), load.connections
        figures = {"p50 ms": latency.p50 / 1000, "p99 ms": latency.p99 / 1000, "p99.9 ms": latency.p999 / 1000}
    return [Reading(subject, server, unit, value, x, doubts) for unit, value in figures.items()]


def measure(settings: Settings, peers: Sequence[Peer]) -> list[Reading]:
    servers, nchan = settings.chosen(peers), [peer.name for peer in peers if peer.kind is Kind.NCHAN]
    rig, found = Rig(settings.window_after(WARMUP), fit=CALLBOARD in servers), list[Reading]()
    once = [(server, load) for load in loads(settings) for server in servers if can(server, load, nchan)]
    todo = once * settings.repetitions
    for place, (server, load) in enumerate(todo, 1):
        stalled = f", {load.stalled} stalled besides" if load.fill else ""
        say(f"[{place}/{len(todo)}] latency: {server}, {load.transport}, {load.connections} subscribers{stalled}")
        watched = rig.try_watch(server, load)
        if watched is not None:
            found += readings(server, load, watched)
            latency = watched.counted.latency_us
            say(
                f"    p50 {latency.p50 / 1000:.1f} ms, p99 {latency.p99 / 1000:.1f} ms, "
                f"{watched.grown_bytes / MEGA:.0f} MB grown{watched.doubts_text}"
            )
    return found


def panels(report: Report) -> list[Panel]:
    calm = [line for line in report.lines if line.subject == CALM and line.unit == "p99 ms"]
    grown: dict[str, list[tuple[float, float]]] = {}
    for line in report.lines:
        if line.subject == STALLED and line.unit == "MB grown":
            grown.setdefault(line.server, []).append((line.x, line.median))
    return [
        bars("p99 at 10 events a second, milliseconds", calm),
        curves("Megabytes of the server by the number of stalled readers", grown),
    ]


LATENCY = Benchmark(name="latency", about=(__doc__ or "").partition("\n")[0], measure=measure, panels=panels)

if __name__ == "__main__":
    main([LATENCY], None, "benchmarks.latency")
