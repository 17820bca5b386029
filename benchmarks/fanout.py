"""Fan-out at full speed to many subscribers on one core, beside a bare send loop and the peers in the same run.

    python -m benchmarks.fanout [--quick | --full] [--no-peers] [--server NAME] [--publish]

The server is pinned to one core, the load generator to another. Each measurement starts its server anew; the servers
take turns, and each figure is the median of the repetitions. Everybody's messages are as large as Callboard's.

The C loop calls `send` for each delivery. Callboard has io_uring send to hundreds at once, where the system has it;
what it does without is measured apart.

What is sent one event a write is in the memory of each of them: at full speed a log on the disk joins what waits for a
commit. What durability costs is measured apart, with a publisher that waits for each event's commit before it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from benchmarks.peers.catalogue import Peer
from benchmarks.picture import Panel, bars, curves
from benchmarks.report import Reading, Report, series
from benchmarks.rig import CALLBOARD, FLOOR, Failed, Load, Rig, Watched, say
from benchmarks.settings import Benchmark, Settings, main

MANY = 1000
JOINED = 16
ONE_A_WRITE = "WebSocket, {x} subscribers"
SUBJECTS = {
    Load("ws"): ONE_A_WRITE,
    Load("sse"): "SSE, {x} subscribers",
    Load("mixed"): "half WebSocket, half SSE, {x} subscribers",
    Load("ws", batch=JOINED): "WebSocket, 16 events a write, {x} subscribers",
    Load("sse", batch=JOINED): "SSE, 16 events a write, {x} subscribers",
    Load("ws", alone=True): "WebSocket, a system call for each delivery, {x} subscribers",
    Load("ws", kept=True): "WebSocket, each event committed before it is sent, {x} subscribers",
}
"""By load, whatever the number of subscribers."""


class Job(msgspec.Struct, frozen=True):
    server: str
    load: Load


def audiences(settings: Settings) -> tuple[int, ...]:
    """The numbers of subscribers on the curve."""
    if settings.quick:
        return (10, 100)
    return (1, 10, 100, MANY, 5000, 10_000, 15_000) if settings.full else (10, 100, MANY, 5000)


def jobs(settings: Settings, servers: Sequence[str]) -> list[Job]:
    """What is measured in one repetition: the curve of every server, and what only Callboard and the floor do."""
    many = audiences(settings)[-1] if settings.quick else MANY
    found = [Job(server, Load("ws", count)) for count in audiences(settings) for server in servers]
    for load in SUBJECTS:
        if SUBJECTS[load] == ONE_A_WRITE:
            continue
        owned = (CALLBOARD,) if load.transport == "mixed" else (FLOOR, CALLBOARD)
        found += [Job(server, msgspec.structs.replace(load, connections=many)) for server in owned if server in servers]
    return found


def subject(load: Load) -> str:
    return SUBJECTS[msgspec.structs.replace(load, connections=Load().connections)]


def readings(job: Job, watched: Watched) -> list[Reading]:
    """Deliveries a second, and for a second of the server's core: what other processes on the core change less."""
    doubts, filled = list(watched.doubts), watched.counted.events_per_write / job.load.batch
    if not 0.8 <= filled <= 1.25:
        doubts.append(f"{watched.counted.events_per_write:.1f} events a write")
    found = []
    for suffix, value in (("/s", watched.counted.per_second), ("/CPU s", per_cpu_second(watched))):
        found.append(
            Reading(subject(job.load), job.server, f"deliveries{suffix}", value, job.load.connections, tuple(doubts))
        )
    return found


def failures(job: Job, failed: Failed) -> list[Reading]:
    return [
        Reading(subject(job.load), job.server, f"deliveries{suffix}", 0, job.load.connections, failed=failed.reason)
        for suffix in ("/s", "/CPU s")
    ]


def per_cpu_second(watched: Watched) -> float:
    return watched.counted.per_second / max(watched.cpu_share, 0.001)


def measure(settings: Settings, peers: Sequence[Peer]) -> list[Reading]:
    servers = settings.chosen(peers)
    rig, found = Rig(settings.window, fit=CALLBOARD in servers), list[Reading]()
    todo = [job for _ in range(settings.repetitions) for job in jobs(settings, servers)]
    for place, job in enumerate(todo, 1):
        about = subject(job.load).format(x=job.load.connections)
        say(f"[{place}/{len(todo)}] fanout: {job.server}, {about}")
        watched = rig.try_watch(job.server, job.load)
        if isinstance(watched, Failed):
            found += failures(job, watched)
            continue
        found += readings(job, watched)
        doubts = f" ! {'; '.join(found[-1].doubts)}" if found[-1].doubts else ""
        say(
            f"    {watched.counted.per_second:,.0f} deliveries/s, {watched.counted.events_per_write:.1f} events a "
            f"write, CPU {watched.cpu_share:.0%} server, {watched.counted.cpu_share:.0%} generator{doubts}"
        )
    return found


def panels(report: Report) -> list[Panel]:
    found = [line for line in report.lines if line.unit == "deliveries/s" and not line.failed]
    curve = [line for line in found if line.subject == ONE_A_WRITE]
    places = sorted({line.x for line in curve})
    shown = MANY if MANY in places else places[-1]
    return [
        bars(f"Deliveries/s to {shown:,} WebSocket subscribers", [line for line in curve if line.x == shown]),
        curves("Deliveries/s over the number of WebSocket subscribers", series(curve)),
    ]


def duration(settings: Settings, servers: Sequence[str]) -> float:
    return settings.duration(len(jobs(settings, servers)))


FANOUT = Benchmark(
    name="fanout", about=(__doc__ or "").partition("\n")[0], measure=measure, panels=panels, duration=duration
)

if __name__ == "__main__":
    main([FANOUT], None, "benchmarks.fanout")
