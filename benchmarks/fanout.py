"""Fan-out to many subscribers on one core, beside a bare send loop in the same run.

    python -m benchmarks.fanout [--quick] [--transport ws|sse] [--server floor|callboard] [--json FILE]

The server is pinned to one core, the load generator to another. Each measurement starts its server anew; the two
servers take turns, and each figure is the median of the repetitions. The floor's messages are as large as Callboard's.
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
from benchmarks.fanout_report import (
    MEASURES,
    QUICK,
    SERVERS,
    TRANSPORTS,
    Measure,
    Plan,
    Report,
    Sample,
    rows,
    sample_text,
    table_text,
)
from benchmarks.flood_agent import Flood
from benchmarks.load.processes import Counted, Floor, LoadGenerator
from benchmarks.machine import CpuTime, cpu_time, describe, pinned, two_cores

EVENT_BYTES = 200
GATEWAY_PATH = "/api/v1/gateway/ws"
NAP_US = 10
"""How long the generator naps at full speed, for each connection: a few events wait in every socket by then."""


class Bench:
    """Carries a plan out."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._server_core, self._load_core = two_cores()
        self._pads: dict[str, int] = {}
        self._sizes = dict.fromkeys(TRANSPORTS, EVENT_BYTES)
        """Bytes of a message, as Callboard frames it."""

    def run(self) -> list[Sample]:
        plan, samples = self._plan, []
        if "callboard" in plan.servers:
            for transport in plan.transports:
                self._fit(transport)
        jobs = [
            (transport, measure, server)
            for _ in range(plan.repetitions)
            for transport in plan.transports
            for measure in MEASURES
            for server in plan.servers
        ]
        for number, (transport, measure, server) in enumerate(jobs, 1):
            _say(f"[{number}/{len(jobs)}] {server}, {transport}, {measure.name}")
            measured = self._floor if server == "floor" else self._callboard
            samples.append(measured(transport, measure))
            _say(sample_text(samples[-1]))
        return samples

    def _fit(self, transport: str) -> None:
        """Finds the padding with which Callboard's message has EVENT_BYTES, or the size it has without any."""
        self._pads[transport] = 0
        bare = self._message_bytes(transport)
        self._pads[transport] = max(0, EVENT_BYTES - bare)
        self._sizes[transport] = max(EVENT_BYTES, bare)
        _say(f"{transport}: messages of {self._sizes[transport]} bytes, {bare} of them envelope and time stamp")

    def _message_bytes(self, transport: str) -> int:
        with self._flooding(transport, Flood(rate=100)) as (server, task_id):
            load = self._generator(transport, server.port, task_id, connections=1, total=20)
            with load:
                load.wait_ready()
                server.start_flood(task_id)
                counted = _delivered(load)
        return round(counted.message_bytes / counted.deliveries)

    def _floor(self, transport: str, measure: Measure) -> Sample:
        sse, size = transport == "sse", self._sizes[transport]
        with pinned(self._server_core):
            server = Floor(self._plan.connections, sse=sse, message_bytes=size, batch=measure.batch, rate=measure.rate)
        with server, self._window(transport, server.port, "", measure) as load:
            load.wait_ready()
            return self._watch("floor", transport, measure, server.pid, load)

    def _callboard(self, transport: str, measure: Measure) -> Sample:
        order = Flood(
            rate=measure.rate,
            pad=self._pads[transport],
            window=measure.batch,
            pause=4 + self._plan.connections // 128,
        )
        with (
            self._flooding(transport, order) as (server, task_id),
            self._window(transport, server.port, task_id, measure) as load,
        ):
            load.wait_ready()
            server.start_flood(task_id)
            return self._watch("callboard", transport, measure, server.pid, load)

    @contextmanager
    def _flooding(self, transport: str, order: Flood) -> Iterator[tuple[CallboardServer, str]]:
        with pinned(self._server_core):
            server = CallboardServer()
        with server:
            server.wait_ready()
            yield server, server.create_flood(order)

    def _window(self, transport: str, port: int, task_id: str, measure: Measure) -> LoadGenerator:
        plan = self._plan
        return self._generator(
            transport,
            port,
            task_id,
            connections=plan.connections,
            seconds=plan.seconds,
            warmup=plan.warmup,
            nap_us=0 if measure.rate else NAP_US * plan.connections,
            sample=1 if measure.rate else 16,
        )

    def _generator(
        self,
        transport: str,
        port: int,
        task_id: str,
        *,
        connections: int,
        seconds: float = 0,
        warmup: float = 0,
        total: int = 0,
        nap_us: int = 0,
        sample: int = 1,
    ) -> LoadGenerator:
        """Subscribers of a task, or of the floor where `task_id` is empty."""
        with pinned(self._load_core):
            return LoadGenerator(
                port,
                GATEWAY_PATH if transport == "ws" else f"/api/v1/channels/task/{task_id}/events",
                connections,
                sse=transport == "sse",
                script=_subscribe(transport, task_id) if task_id else (),
                seconds=seconds,
                warmup=warmup,
                total=total,
                nap_us=nap_us,
                sample=sample,
                progress=sys.stderr.isatty(),
            )

    def _watch(self, server: str, transport: str, measure: Measure, pid: int, load: LoadGenerator) -> Sample:
        before, began = cpu_time(pid), time.monotonic_ns()
        counted = _delivered(load)
        spent, wall = cpu_time(pid) - before, time.monotonic_ns() - began
        return Sample(server, transport, measure, counted, *_shares(spent, wall))


def _delivered(load: LoadGenerator) -> Counted:
    """The generator's result. Raises RuntimeError where not one event arrived."""
    counted = load.result()
    if not counted.deliveries:
        raise RuntimeError(f"no event arrived: ended by {counted.ended}, {counted.closed} connections closed")
    return counted


def _shares(spent: CpuTime, wall: int) -> tuple[float, float]:
    return round(spent.running / wall, 3), round(spent.waiting / wall, 3)


def _subscribe(transport: str, task_id: str) -> Sequence[str]:
    if transport == "sse":
        return ("--expect", "event: subscribed")
    payload = {"channel": "task", "topics": [task_id]}
    frame = msgspec.json.encode({"id": "s", "type": "subscribe", "payload": payload}).decode()
    return ("--send", frame, "--expect", '"subscribed"')


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments(arguments: Sequence[str] | None) -> tuple[Plan, Path | None]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fanout", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="100 subscribers, one second, once: does it work?")
    parser.add_argument("--connections", type=int, help="subscribers (1000)")
    parser.add_argument("--repetitions", type=int, help="times that everything is measured (3)")
    parser.add_argument("--seconds", type=float, help="length of a measurement's window (4)")
    parser.add_argument("--transport", choices=TRANSPORTS, help="only this one")
    parser.add_argument("--server", choices=SERVERS, help="only this one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    options = parser.parse_args(arguments)
    given = {
        "connections": options.connections,
        "repetitions": options.repetitions,
        "seconds": options.seconds,
        "transports": options.transport and (options.transport,),
        "servers": options.server and (options.server,),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    return msgspec.structs.replace(QUICK if options.quick else Plan(), **changes), options.json


def main(arguments: Sequence[str] | None = None) -> None:
    plan, json = _arguments(arguments)
    machine = describe()
    try:
        samples = Bench(plan).run()
    except (RuntimeError, httpx2.HTTPError) as error:
        sys.exit(f"fanout: {error}")
    report = Report(machine, plan, rows(samples), samples)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    libraries = ", ".join(f"{name} {version}" for name, version in machine.libraries.items())
    print(f"{machine.processor}, {machine.cores} cores, Linux {machine.kernel}, Python {machine.python}, {libraries}")
    print(f"{plan.connections} subscribers, medians of {plan.repetitions}")
    print(table_text(report.rows))


if __name__ == "__main__":
    main()
