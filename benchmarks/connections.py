"""What a connection costs on one core: how many can be opened in a second, and the memory of one that is idle.

    python -m benchmarks.connections [--quick] [--no-peers] [--server NAME] [--publish]

The generator opens connections, 64 at a time, and keeps them. `opened`: the upgrade is answered, and no more.
`subscribed`: each is ready for events; Callboard's has been authenticated by an API key, the peers know no users.
Memory is what the server's processes have grown by once all are there and idle, without the kernel's. The floor
accepts, reads the head and answers, one connection after the other, and remembers nothing but its descriptor.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import msgspec

from benchmarks.load.processes import Floor
from benchmarks.machine import cpu_time, resident_bytes
from benchmarks.peers.catalogue import Peer
from benchmarks.picture import Panel, bars
from benchmarks.report import Reading, Report
from benchmarks.rig import (
    CALLBOARD,
    FLOOR,
    GATEWAY_PATH,
    GENERATOR_LIMIT,
    GENERATOR_SATURATED,
    OTHERS_RAN,
    WAITING_LIMIT,
    Failed,
    Rig,
    attempt,
    say,
    send,
)
from benchmarks.settings import Benchmark, Settings, main

EVENTS_PATH = "/api/v1/channels/app/shared/events"
OPENED, SUBSCRIBED = "opened", "subscribed"
SUBJECTS = {
    ("ws", OPENED): "{x} WebSockets opened",
    ("ws", SUBSCRIBED): "{x} WebSockets subscribed",
    ("sse", OPENED): "{x} event streams opened",
    ("sse", SUBSCRIBED): "{x} event streams subscribed",
}
RATE, CPU_RATE, MEMORY = "connections/s", "connections/CPU s", "KiB each"
SETTLE_SECONDS = 0.3
KIB = 1024


class Job(msgspec.Struct, frozen=True):
    """`state` is OPENED or SUBSCRIBED."""

    server: str
    transport: str
    state: str
    connections: int

    @property
    def subject(self) -> str:
        return SUBJECTS[self.transport, self.state]


class Held(msgspec.Struct, frozen=True):
    """A running server, and what leads a connection to the state asked for."""

    pid: int
    port: int
    path: str = "/"
    script: tuple[str, ...] = ()


class Sample(msgspec.Struct, frozen=True):
    """Connections made ready in a second, of wall time and of the server's CPU time; bytes that the server grew by for
    each; its share of the time ready but without a core, and the generator's shares, running and waiting."""

    per_second: float
    per_cpu_second: float
    bytes_each: float
    waiting_share: float
    generator_share: float
    generator_waiting: float


def jobs(settings: Settings, servers: Sequence[str]) -> list[Job]:
    """What is measured in one repetition: everything at the larger number, what is idle at the smaller, too."""
    few, many = (100, 500) if settings.quick else (1000, 10_000)
    found = [Job(server, "ws", OPENED, many) for server in servers]
    found += [Job(server, "sse", OPENED, many) for server in servers if server in (FLOOR, CALLBOARD)]
    for count in (few, many):
        found += [Job(server, "ws", SUBSCRIBED, count) for server in servers if server != FLOOR]
        found += [Job(CALLBOARD, "sse", SUBSCRIBED, count)] if CALLBOARD in servers else []
    return found


@contextmanager
def holding(rig: Rig, job: Job, peers: Sequence[Peer]) -> Iterator[Held]:
    sse, subscribed = job.transport == "sse", job.state == SUBSCRIBED
    if job.server == FLOOR:
        with rig.on_server_core(lambda: Floor(job.connections, sse=sse, hold=True)) as floor:
            yield Held(floor.pid, floor.port)
    elif job.server == CALLBOARD:
        with rig.callboard(subscribed) as server:
            key = server.create_key("bench") if subscribed else ""
            if sse:
                script = ("--expect", "event: subscribed")
                yield Held(server.pid, server.port, EVENTS_PATH + (f"?access_token={key}" if key else ""), script)
            else:
                yield Held(server.pid, server.port, GATEWAY_PATH, _authenticated(key) if key else ())
    else:
        peer = next(peer for peer in peers if peer.name == job.server)
        with rig.peer(peer) as running:
            yield Held(running.pid, running.port, peer.path, peer.script if subscribed else peer.opening)


def _authenticated(key: str) -> tuple[str, ...]:
    subscription = {"channel": "app", "topics": ["shared"]}
    return (*send("auth", {"token": key}, "auth.result"), *send("subscribe", subscription, "subscribed"))


def take(rig: Rig, job: Job, peers: Sequence[Peer]) -> Sample:
    """Raises RuntimeError where the server refuses a connection."""
    with holding(rig, job, peers) as held:
        before, spent, began = resident_bytes(held.pid), cpu_time(held.pid), time.monotonic_ns()
        with rig.generator(
            held.port, held.path, job.connections, sse=job.transport == "sse", script=held.script, idle=60
        ) as load:
            opened = load.opened()
            spent, wall = cpu_time(held.pid) - spent, time.monotonic_ns() - began
            time.sleep(SETTLE_SECONDS)
            return Sample(
                per_second=opened.ready / max(opened.seconds, 0.001),
                per_cpu_second=opened.ready * 1e9 / max(spent.running, 1),
                bytes_each=max(0, resident_bytes(held.pid) - before) / opened.ready,
                waiting_share=spent.waiting / wall,
                generator_share=opened.cpu_share,
                generator_waiting=opened.run_queue_share,
            )


def readings(job: Job, sample: Sample) -> list[Reading]:
    """A saturated generator makes the rate doubtful and not what the server spent; memory is neither's matter."""
    doubts: tuple[str, ...] = ()
    if max(sample.waiting_share, sample.generator_waiting) > WAITING_LIMIT:
        doubts = (OTHERS_RAN,)
    saturated = (GENERATOR_SATURATED,) if sample.generator_share > GENERATOR_LIMIT else ()
    return [
        Reading(job.subject, job.server, RATE, sample.per_second, job.connections, (*doubts, *saturated)),
        Reading(job.subject, job.server, CPU_RATE, sample.per_cpu_second, job.connections, doubts),
        Reading(job.subject, job.server, MEMORY, round(sample.bytes_each / KIB, 1), job.connections),
    ]


def measure(settings: Settings, peers: Sequence[Peer]) -> list[Reading]:
    rig, found = Rig(settings.window, fit=False), list[Reading]()
    todo = jobs(settings, settings.chosen(peers)) * settings.repetitions
    for place, job in enumerate(todo, 1):
        say(f"[{place}/{len(todo)}] connections: {job.server}, {job.subject.format(x=f'{job.connections:,}')}")
        sample = attempt(job.server, partial(take, rig, job, peers))
        if isinstance(sample, Failed):
            found += [
                Reading(job.subject, job.server, unit, 0, job.connections, failed=sample.reason)
                for unit in (RATE, CPU_RATE, MEMORY)
            ]
            continue
        found += readings(job, sample)
        doubts = f" ! {'; '.join(found[-3].doubts)}" if found[-3].doubts else ""
        say(
            f"    {sample.per_second:,.0f} a second, {sample.per_cpu_second:,.0f} a CPU second, "
            f"{sample.bytes_each / KIB:.1f} KiB each{doubts}"
        )
    return found


def panels(report: Report) -> list[Panel]:
    found = [line for line in report.lines if not line.failed]
    most = max((line.x for line in found), default=0)
    many = [line for line in found if line.x == most]
    ready = [line for line in many if line.subject == SUBJECTS["ws", SUBSCRIBED]]
    opened = [line for line in many if line.subject == SUBJECTS["ws", OPENED]]
    return [
        bars(f"KiB of each of {most:,} idle, subscribed WebSockets", [line for line in ready if line.unit == MEMORY]),
        bars("WebSockets opened in a second", [line for line in opened if line.unit == RATE]),
        bars("WebSockets subscribed in a second", [line for line in ready if line.unit == RATE]),
    ]


def duration(settings: Settings, servers: Sequence[str]) -> float:
    """There is no window: the larger number takes some two seconds to open."""
    return settings.repetitions * 3.0 * len(jobs(settings, servers))


CONNECTIONS = Benchmark(
    name="connections", about=(__doc__ or "").partition("\n")[0], measure=measure, panels=panels, duration=duration
)

if __name__ == "__main__":
    main([CONNECTIONS], None, "benchmarks.connections")
