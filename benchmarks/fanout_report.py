"""What the fan-out benchmark measures, and how its figures are told: samples, their medians, the doubts about them.

Times are seconds, latencies microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from benchmarks.load.processes import Counted
from benchmarks.machine import Machine, median

SERVERS = ("floor", "callboard")
TRANSPORTS = ("ws", "sse")
GENERATOR_LIMIT = 0.9
"""A generator busier than this share of its core may have been the bottleneck."""
WAITING_LIMIT = 0.05
"""A server that waited for its core longer than this share of the time was disturbed by another process."""


class Measure(msgspec.Struct, frozen=True):
    """One way to load a server: events joined in one write, and events a second (0 = full speed)."""

    name: str
    batch: int
    rate: float


ONE = Measure("one event a write", batch=1, rate=0)
JOINED = Measure("16 events a write", batch=16, rate=0)
PACED = Measure("10 events a second", batch=1, rate=10)
MEASURES = (ONE, JOINED, PACED)


class Plan(msgspec.Struct, frozen=True):
    connections: int = 1000
    repetitions: int = 3
    warmup: float = 1.0
    seconds: float = 4.0
    servers: tuple[str, ...] = SERVERS
    transports: tuple[str, ...] = TRANSPORTS


QUICK = Plan(connections=100, repetitions=1, warmup=0.3, seconds=1.0)


class Sample(msgspec.Struct, frozen=True):
    """One measurement. Shares are of one core: of the server from the start of the flood to the end of the window."""

    server: str
    transport: str
    measure: Measure
    counted: Counted
    server_cpu_share: float
    server_waiting_share: float

    @property
    def per_cpu_second(self) -> float:
        """Deliveries for a second of the server's core: what stays comparable when other processes take the core."""
        return self.counted.per_second / max(self.server_cpu_share, 0.001)

    @property
    def doubts(self) -> list[str]:
        """Why the figure may not mean what it seems to."""
        found = []
        if self.counted.cpu_share > GENERATOR_LIMIT:
            found.append("the load generator was saturated")
        if max(self.server_waiting_share, self.counted.run_queue_share) > WAITING_LIMIT:
            found.append("other processes took the core")
        if self.counted.closed or self.counted.bad_stamps or self.counted.ended != "seconds":
            found.append(f"ended by {self.counted.ended}, {self.counted.closed} connections lost")
        if not 0.8 <= self.counted.events_per_write / self.measure.batch <= 1.25:
            found.append(f"{self.counted.events_per_write:.1f} events a write")
        return found


class Row(msgspec.Struct, frozen=True):
    """The medians of one measure on one transport for one server.

    `ratio` and `cpu_ratio` are deliveries a second, and for a second of CPU, as a part of the floor's in this run.
    """

    transport: str
    measure: str
    server: str
    per_second: float
    per_cpu_second: float
    p50_us: float
    p99_us: float
    message_bytes: float
    events_per_write: float
    ratio: float | None
    cpu_ratio: float | None
    doubts: list[str]


class Report(msgspec.Struct, frozen=True):
    machine: Machine
    plan: Plan
    rows: list[Row]
    samples: list[Sample]


def rows(samples: Sequence[Sample]) -> list[Row]:
    """The medians, Callboard's beside the floor's."""
    found: dict[tuple[str, str, str], list[Sample]] = {}
    for sample in samples:
        found.setdefault((sample.transport, sample.measure.name, sample.server), []).append(sample)
    table: dict[tuple[str, str, str], Row] = {}
    for (transport, measure, server), group in found.items():
        per_second = median([sample.counted.per_second for sample in group])
        per_cpu_second = median([sample.per_cpu_second for sample in group])
        floor = table.get((transport, measure, "floor"))
        table[transport, measure, server] = Row(
            transport=transport,
            measure=measure,
            server=server,
            per_second=per_second,
            per_cpu_second=per_cpu_second,
            p50_us=median([sample.counted.latency_us.p50 for sample in group]),
            p99_us=median([sample.counted.latency_us.p99 for sample in group]),
            message_bytes=median([sample.counted.message_bytes / sample.counted.deliveries for sample in group]),
            events_per_write=median([sample.counted.events_per_write for sample in group]),
            ratio=per_second / floor.per_second if floor else None,
            cpu_ratio=per_cpu_second / floor.per_cpu_second if floor else None,
            doubts=sorted({doubt for sample in group for doubt in sample.doubts}),
        )
    return [table[key] for key in sorted(table, key=lambda key: (key[0], key[1], SERVERS.index(key[2])))]


def table_text(found: Sequence[Row]) -> str:
    """Latencies only where events come at a rate: at full speed they measure how long the generator naps."""
    rates = f"{'deliveries/s':>13}{'of floor':>10}{'per CPU s':>13}{'of floor':>10}"
    lines = [f"{'':4}{'':20}{'server':11}{rates}{'p50 µs':>9}{'p99 µs':>9}{'bytes':>7}"]
    for row in found:
        if row.measure == PACED.name:
            figures = f"{row.per_second:>13,.0f}{'':33}{row.p50_us:>9.0f}{row.p99_us:>9.0f}"
        else:
            speed = f"{row.per_second:>13,.0f}{_percent(row.ratio):>10}"
            figures = f"{speed}{row.per_cpu_second:>13,.0f}{_percent(row.cpu_ratio):>10}{'':18}"
        doubts = f"  ! {'; '.join(row.doubts)}" if row.doubts else ""
        lines.append(f"{row.transport:4}{row.measure:20}{row.server:11}{figures}{row.message_bytes:>7.0f}{doubts}")
    return "\n".join(lines)


def _percent(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.0%}"


def sample_text(sample: Sample) -> str:
    counted = sample.counted
    doubts = f" ! {'; '.join(sample.doubts)}" if sample.doubts else ""
    return (
        f"    {counted.per_second:,.0f}/s, p50 {counted.latency_us.p50:.0f} µs, p99 {counted.latency_us.p99:.0f} µs, "
        f"{counted.events_per_write:.1f} events a write, CPU {sample.server_cpu_share:.0%} server, "
        f"{counted.cpu_share:.0%} generator{doubts}"
    )
