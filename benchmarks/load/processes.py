"""The two C programs as objects: start, wait until ready, read the result."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Self

import msgspec

from benchmarks.load.compiler import build

MARKER = '"t":'
"""What stands before the sender's time stamp in every event of a benchmark."""


class Latency(msgspec.Struct, frozen=True):
    """Microseconds from the sender's stamp to the read that brought the event."""

    samples: int
    p50: float
    p90: float
    p99: float
    p999: float
    max: float


class Counted(msgspec.Struct, frozen=True):
    """What the load generator saw. `total`, `fewest` and `most` count from the first connection on, the rest from the
    beginning of the window; `segments` are TCP segments received, on loopback the server's writes."""

    ended: str
    connections: int
    closed: int
    total: int
    other_messages: int
    fewest: int
    most: int
    bad_stamps: int
    seconds: float
    deliveries: int
    bytes: int
    message_bytes: int
    reads: int
    segments: int
    per_second: float
    cpu_share: float
    run_queue_share: float
    latency_us: Latency

    @property
    def events_per_write(self) -> float:
        return self.deliveries / self.segments if self.segments else 0.0


class _Listening(msgspec.Struct, frozen=True):
    port: int


class Ready(msgspec.Struct, frozen=True):
    """How many connections have gone through the script, and how long that took from the first one on."""

    ready: int
    seconds: float


class Program:
    """One run of a C program that answers in JSON lines; as a context manager it is killed at the end at the latest."""

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        self._name = name
        self._process = subprocess.Popen([build(name), *arguments], stdout=subprocess.PIPE)
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self._stdout: IO[bytes] = self._process.stdout

    def line(self) -> bytes:
        """The next line it prints. Raises RuntimeError where it ended without one."""
        line = self._stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended with status {self._process.wait()}")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._stdout.close()


class LoadGenerator(Program):
    """The subscribers. It ends by itself: every wait of its has the deadline `idle` (seconds)."""

    def __init__(
        self,
        port: int,
        path: str,
        connections: int,
        *,
        sse: bool = False,
        script: Sequence[str] = (),
        seconds: float = 0,
        warmup: float = 0,
        total: int = 0,
        nap_us: int = 0,
        sample: int = 1,
        idle: float = 10,
        progress: bool = False,
    ) -> None:
        """`script` is made of pairs `--send TEXT` and `--expect TEXT`; the other arguments are those of loadgen.c."""
        options = {
            "port": port,
            "path": path,
            "connections": connections,
            "marker": MARKER,
            "seconds": seconds,
            "warmup": warmup,
            "total": total,
            "nap": nap_us,
            "sample": sample,
            "idle": idle,
        }
        flags = [*(["--sse"] if sse else []), *(["--progress"] if progress else [])]
        pairs = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        super().__init__("loadgen", [*pairs, *flags, *script])

    def wait_ready(self) -> int:
        """The number of connections, all of which have gone through the script."""
        return self.opened().ready

    def opened(self) -> Ready:
        """As `wait_ready`, with the time it took."""
        return msgspec.json.decode(self.line(), type=Ready)

    def result(self) -> Counted:
        return msgspec.json.decode(self.line(), type=Counted)


class Floor(Program):
    """The server that only sends. It starts once all `connections` are there."""

    def __init__(
        self,
        connections: int,
        *,
        sse: bool = False,
        message_bytes: int = 200,
        batch: int = 1,
        rate: float = 0,
        events: int = 0,
    ) -> None:
        options = {"connections": connections, "bytes": message_bytes, "batch": batch, "rate": rate, "events": events}
        pairs = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        super().__init__("floor", [*pairs, *(["--sse"] if sse else [])])
        self.port = msgspec.json.decode(self.line(), type=_Listening).port
