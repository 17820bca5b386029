"""What a connection costs on one core: memory while it is idle, and how many can be opened in a second.

    python -m benchmarks.connections [--quick] [--transport ws|sse] [--server floor|callboard] [--json FILE]

The server is pinned to one core, the load generator to another, and starts anew for each measurement. The generator
opens connections, 64 at a time, and keeps them: `opened` without more, `subscribed` each authenticated by an API key
and subscribed to one shared topic. Memory is what the server's process has grown by when all are there and idle. The
floor accepts, reads the head and answers, one connection after the other, and remembers nothing but its descriptor.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2
import msgspec

from benchmarks.callboard_server import CallboardServer
from benchmarks.load.processes import Floor, LoadGenerator
from benchmarks.machine import (
    Machine,
    cpu_time,
    describe,
    median,
    pinned,
    raise_descriptor_limit,
    resident_bytes,
    two_cores,
)

GATEWAY_PATH = "/api/v1/gateway/ws"
EVENTS_PATH = "/api/v1/channels/app/shared/events"
SERVERS = ("floor", "callboard")
TRANSPORTS = ("ws", "sse")
OPENED, SUBSCRIBED = "opened", "subscribed"
WAITING_LIMIT = 0.05
"""A server that waited for its core longer than this share of the time was disturbed by another process."""


class Plan(msgspec.Struct, frozen=True):
    connections: int = 10_000
    repetitions: int = 3
    servers: tuple[str, ...] = SERVERS
    transports: tuple[str, ...] = TRANSPORTS


QUICK = Plan(connections=500, repetitions=1)


class Sample(msgspec.Struct, frozen=True):
    """One measurement: connections made ready in a second, of wall time and of the server's CPU time; bytes for each.
    `waiting_share`: of the time, the server was ready to run and had no core."""

    server: str
    transport: str
    measure: str
    per_second: float
    per_cpu_second: float
    bytes_each: float
    waiting_share: float


class Row(msgspec.Struct, frozen=True):
    """Medians. `ratio` is that of the floor's rate in the same run, by CPU time."""

    server: str
    transport: str
    measure: str
    per_second: float
    per_cpu_second: float
    bytes_each: float
    ratio: float | None
    disturbed: bool


class Report(msgspec.Struct, frozen=True):
    machine: Machine
    plan: Plan
    rows: list[Row]
    samples: list[Sample]


class Bench:
    """Carries a plan out."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._server_core, self._load_core = two_cores()

    def run(self) -> list[Sample]:
        plan, samples = self._plan, []
        jobs = [
            (transport, server, measure)
            for _ in range(plan.repetitions)
            for transport in plan.transports
            for server in plan.servers
            for measure in ((OPENED,) if server == "floor" else (OPENED, SUBSCRIBED))
        ]
        for number, (transport, server, measure) in enumerate(jobs, 1):
            _say(f"[{number}/{len(jobs)}] {server}, {transport}, {measure}")
            samples.append(self._floor(transport) if server == "floor" else self._callboard(transport, measure))
            _say(f"    {_figures(samples[-1])}")
        return samples

    def _floor(self, transport: str) -> Sample:
        with pinned(self._server_core):
            server = Floor(self._plan.connections, sse=transport == "sse", rate=0.001)
        with server:
            return self._measure("floor", transport, OPENED, server.pid, server.port, "")

    def _callboard(self, transport: str, measure: str) -> Sample:
        with self._running(auth_required=measure == SUBSCRIBED) as server:
            key = server.create_key("bench") if measure == SUBSCRIBED else ""
            return self._measure("callboard", transport, measure, server.pid, server.port, key)

    @contextmanager
    def _running(self, *, auth_required: bool) -> Iterator[CallboardServer]:
        environment = {
            "CALLBOARD_AUTH__REQUIRED": str(auth_required).lower(),
            "CALLBOARD_LIMITS__CONNECTIONS": str(self._plan.connections + 10),
        }
        with pinned(self._server_core):
            server = CallboardServer(environment)
        with server:
            server.wait_ready()
            yield server

    def _measure(self, server: str, transport: str, measure: str, pid: int, port: int, key: str) -> Sample:
        held, before, began = resident_bytes(pid), cpu_time(pid), time.monotonic_ns()
        with self._load(transport, port, key) as load:
            opened = load.opened()
            spent, wall = cpu_time(pid) - before, time.monotonic_ns() - began
            return Sample(
                server,
                transport,
                measure,
                per_second=opened.ready / max(opened.seconds, 0.001),
                per_cpu_second=opened.ready * 1e9 / max(spent.running, 1),
                bytes_each=(resident_bytes(pid) - held) / opened.ready,
                waiting_share=round(spent.waiting / wall, 3),
            )

    def _load(self, transport: str, port: int, key: str) -> LoadGenerator:
        with pinned(self._load_core):
            return LoadGenerator(
                port,
                GATEWAY_PATH if transport == "ws" else EVENTS_PATH + (f"?access_token={key}" if key else ""),
                self._plan.connections,
                sse=transport == "sse",
                script=_script(transport, key),
                idle=60,
                progress=sys.stderr.isatty(),
            )


def _script(transport: str, key: str) -> Sequence[str]:
    if not key:
        return ()
    if transport == "sse":
        return ("--expect", "event: subscribed")
    auth = _frame("auth", {"token": key})
    subscribe = _frame("subscribe", {"channel": "app", "topics": ["shared"]})
    return ("--send", auth, "--expect", '"auth.result"', "--send", subscribe, "--expect", '"subscribed"')


def _frame(kind: str, payload: object) -> str:
    return msgspec.json.encode({"id": kind, "type": kind, "payload": payload}).decode()


def rows(samples: Sequence[Sample]) -> list[Row]:
    """The medians, Callboard's beside the floor's."""
    groups: dict[tuple[str, str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.transport, sample.server, sample.measure), []).append(sample)
    found = []
    for (transport, server, measure), group in groups.items():
        per_cpu_second = median([sample.per_cpu_second for sample in group])
        floor = groups.get((transport, "floor", OPENED)) if server != "floor" else None
        found.append(
            Row(
                server,
                transport,
                measure,
                median([sample.per_second for sample in group]),
                per_cpu_second,
                median([sample.bytes_each for sample in group]),
                per_cpu_second / median([sample.per_cpu_second for sample in floor]) if floor else None,
                any(sample.waiting_share > WAITING_LIMIT for sample in group),
            )
        )
    return found


def table_text(found: Sequence[Row]) -> str:
    lines = [f"{'':4}{'server':11}{'':11}{'a second':>10}{'a CPU s':>10}{'of floor':>10}{'KiB each':>10}"]
    for row in found:
        ratio = "" if row.ratio is None else f"{row.ratio:.0%}"
        figures = f"{row.per_second:>10,.0f}{row.per_cpu_second:>10,.0f}{ratio:>10}{row.bytes_each / 1024:>10.1f}"
        doubt = "  ! other processes took the core" if row.disturbed else ""
        lines.append(f"{row.transport:4}{row.server:11}{row.measure:11}{figures}{doubt}")
    return "\n".join(lines)


def _figures(sample: Sample) -> str:
    rates = f"{sample.per_second:,.0f} a second, {sample.per_cpu_second:,.0f} a CPU second"
    return f"{rates}, {sample.bytes_each / 1024:.1f} KiB each, waited {sample.waiting_share:.0%}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments(arguments: Sequence[str] | None) -> tuple[Plan, Path | None]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.connections", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="500 connections, once: does it work?")
    parser.add_argument("--connections", type=int, help="how many (10000)")
    parser.add_argument("--repetitions", type=int, help="times that everything is measured (3)")
    parser.add_argument("--transport", choices=TRANSPORTS, help="only this one")
    parser.add_argument("--server", choices=SERVERS, help="only this one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    options = parser.parse_args(arguments)
    given = {
        "connections": options.connections,
        "repetitions": options.repetitions,
        "transports": options.transport and (options.transport,),
        "servers": options.server and (options.server,),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    return msgspec.structs.replace(QUICK if options.quick else Plan(), **changes), options.json


def main(arguments: Sequence[str] | None = None) -> None:
    plan, json = _arguments(arguments)
    raise_descriptor_limit()
    machine = describe()
    try:
        samples = Bench(plan).run()
    except (RuntimeError, httpx2.HTTPError) as error:
        sys.exit(f"connections: {error}")
    report = Report(machine, plan, rows(samples), samples)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    libraries = ", ".join(f"{name} {version}" for name, version in machine.libraries.items())
    print(f"{machine.processor}, {machine.cores} cores, Linux {machine.kernel}, Python {machine.python}, {libraries}")
    print(f"{plan.connections} connections, medians of {plan.repetitions}")
    print(table_text(report.rows))


if __name__ == "__main__":
    main()
