"""The C programs, and servers that talk like them, as objects: start, wait until ready, read the result."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
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

    def joined(self, other: Counted) -> Counted:
        """Two generators that watched one server at the same time, as one. Latencies are the worse of the two."""
        ours, theirs = self.latency_us, other.latency_us
        worse = {name: max(getattr(ours, name), getattr(theirs, name)) for name in ("p50", "p90", "p99", "p999", "max")}
        sums = {name: getattr(self, name) + getattr(other, name) for name in _SUMMED}
        return Counted(
            ended=self.ended if self.ended == other.ended else f"{self.ended} and {other.ended}",
            fewest=min(self.fewest, other.fewest),
            most=max(self.most, other.most),
            seconds=max(self.seconds, other.seconds),
            latency_us=Latency(samples=ours.samples + theirs.samples, **worse),
            **sums,
        )

    @property
    def events_per_write(self) -> float:
        return self.deliveries / self.segments if self.segments else 0.0


_SUMMED = (
    "connections", "closed", "total", "other_messages", "bad_stamps", "deliveries", "bytes", "message_bytes", "reads",
    "segments", "per_second", "cpu_share", "run_queue_share",
)  # fmt: skip


class _Listening(msgspec.Struct, frozen=True):
    port: int


class Ready(msgspec.Struct, frozen=True):
    """How many connections have gone through the script, how long that took from the first one on, and the generator's
    shares of a core meanwhile: running, and ready but waiting."""

    ready: int
    seconds: float
    cpu_share: float
    run_queue_share: float


class Program:
    """One run of a program that answers in JSON lines; as a context manager it is killed at the end at the latest."""

    def __init__(
        self, name: str, command: Sequence[str], directory: Path | None = None, errors: IO[bytes] | None = None
    ) -> None:
        """What it prints of errors goes to the file `errors`, whose last line is told where the program ends."""
        self._name = name
        self._errors = errors
        self._process = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        self._stdout: IO[bytes] = self._process.stdout
        self._stdin: IO[bytes] = self._process.stdin

    def line(self) -> bytes:
        """The next line it prints. Raises RuntimeError where it ended without one."""
        line = self._stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended with status {self._process.wait()}{self._last_error()}")
        return line

    def _last_error(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0)
        return "".join(f": {line.decode(errors='replace').strip()}" for line in self._errors.readlines()[-1:])

    def listening(self) -> int:
        """The port, from the line in which a server tells it."""
        return msgspec.json.decode(self.line(), type=_Listening).port

    def tell(self, line: str) -> None:
        """Hands the program a line on its standard input."""
        self._stdin.write(line.encode() + b"\n")
        self._stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._stdout.close()
        self._stdin.close()


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
        marker: str = MARKER,
        stalled: int = 0,
    ) -> None:
        """`script` is made of pairs `--send TEXT` and `--expect TEXT`, and of what it is to ask (requests.h); the other
        arguments are those of loadgen.c."""
        options = {
            "port": port,
            "path": path,
            "connections": connections,
            "marker": marker,
            "stalled": stalled,
            "seconds": seconds,
            "warmup": warmup,
            "total": total,
            "nap": nap_us,
            "sample": sample,
            "idle": idle,
        }
        flags = [*(["--sse"] if sse else []), *(["--progress"] if progress else [])]
        pairs = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        super().__init__("loadgen", [str(build("loadgen")), *pairs, *flags, *script])

    def wait_ready(self) -> int:
        """The number of connections, all of which have gone through the script."""
        return self.opened().ready

    def opened(self) -> Ready:
        """As `wait_ready`, with the time it took."""
        return msgspec.json.decode(self.line(), type=Ready)

    def result(self) -> Counted:
        return msgspec.json.decode(self.line(), type=Counted)


class Floor(Program):
    """The server that only sends. It starts once all `connections` are there; with `hold` it sends nothing."""

    def __init__(
        self,
        connections: int,
        *,
        sse: bool = False,
        hold: bool = False,
        message_bytes: int = 200,
        batch: int = 1,
        rate: float = 0,
        events: int = 0,
    ) -> None:
        options = {"connections": connections, "bytes": message_bytes, "batch": batch, "rate": rate, "events": events}
        pairs = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        flags = [*(["--sse"] if sse else []), *(["--hold"] if hold else [])]
        super().__init__("floor", [str(build("floor")), *pairs, *flags])
        self.port = self.listening()


class Echo(Program):
    """The server that only answers, once all `connections` are there."""

    def __init__(self, connections: int) -> None:
        super().__init__("echo", [str(build("echo")), str(connections)])
        self.port = self.listening()
