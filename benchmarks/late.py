"""A late joiner: what it is sent of a message of so many tokens, replayed or folded.

    python -m benchmarks.late [--quick] [--publish]

A task has said a message token by token and goes on. One reader has followed from the start and was sent each token as
an event of its own: that is what a replay of events costs. Another joins now and reads from the oldest event, as one
that lags: adjacent tokens come merged. A third asks for the snapshot. All read event streams; what counts is all bytes
of the answer's body up to the last event, and the time from the request to there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import httpx2
import msgspec

from benchmarks.callboard_server import CallboardServer
from benchmarks.peers.catalogue import Peer
from benchmarks.picture import Panel, curves
from benchmarks.report import Line, Reading, Report, series
from benchmarks.rig import CALLBOARD, Rig, say
from benchmarks.settings import Benchmark, Settings, main
from benchmarks.token_agents import TOLD_PER_SECOND

SENT = "a late joiner to {x} tokens"
REPLAYED, MERGED, FOLDED = "event by event", "merged replay", "snapshot"
KIB = 1024
_SECONDS = 30.0
"""How long an answer may take."""


class Joined(msgspec.Struct, frozen=True):
    """`blocks`: events and the greeting."""

    bytes: int
    blocks: int
    seconds: float


def numbers(settings: Settings) -> tuple[int, ...]:
    return (100, 1000) if settings.quick else (100, 1000, 10_000)


def read_until(port: int, task_id: str, query: str, last: bytes, opened: threading.Event | None = None) -> Joined:
    """Reads a task's event stream up to the block that holds `last`. Raises RuntimeError where it ends before."""
    began, received, end = time.monotonic(), 0, b""
    blocks = 0
    path = f"/api/v1/channels/task/{task_id}/events{query}"
    with (
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=_SECONDS, trust_env=False) as client,
        client.stream("GET", path) as answer,
    ):
        answer.raise_for_status()
        for piece in answer.iter_raw():
            if opened is not None:
                opened.set()
            received += len(piece)
            # A block's end may be parted between two pieces, and so may what it is found by.
            blocks += (end[-1:] + piece).count(b"\n\n")
            end = (end + piece)[-4 * KIB - len(piece) :]
            if last in end and end.endswith(b"\n\n"):
                return Joined(received, blocks, time.monotonic() - began)
    raise RuntimeError(f"the stream ended after {received} bytes")


def joined(server: CallboardServer, tokens: int) -> dict[str, Joined]:
    """What each of the three is sent. Raises RuntimeError."""
    task_id = server.create("teller", str(tokens))
    found: dict[str, Joined] = {}
    opened = threading.Event()

    def follow() -> None:
        found[REPLAYED] = read_until(server.port, task_id, "?since=0", b"event: bench.told\n", opened)

    follower = threading.Thread(target=follow)
    follower.start()
    if not opened.wait(_SECONDS):
        raise RuntimeError("the stream did not begin")
    server.start(task_id)
    follower.join(_SECONDS + tokens / TOLD_PER_SECOND)
    if REPLAYED not in found:
        raise RuntimeError("who followed has not got all of it")
    found[MERGED] = read_until(server.port, task_id, "?since=0", b"event: bench.told\n")
    found[FOLDED] = read_until(server.port, task_id, "?snapshot=1", b"event: snapshot\n")
    return found


def readings(server: CallboardServer, tokens: int) -> Iterator[Reading]:
    for way, sent in joined(server, tokens).items():
        lagged = way == REPLAYED and sent.blocks < tokens
        doubts = ("who followed has lagged, and was merged for",) if lagged else ()
        yield Reading(SENT, way, "KiB", sent.bytes / KIB, tokens, doubts)
        if way != REPLAYED:
            yield Reading(SENT, way, "ms", 1000 * sent.seconds, tokens)


def measure(settings: Settings, _: Sequence[Peer]) -> list[Reading]:
    if CALLBOARD not in settings.chosen(()):
        return []
    rig, found = Rig(settings.window, fit=False), list[Reading]()
    for repetition in range(settings.repetitions):
        with rig.callboard() as server:
            for tokens in numbers(settings):
                say(f"[{repetition + 1}/{settings.repetitions}] late: {tokens} tokens")
                found += readings(server, tokens)
    return found


def panels(report: Report) -> list[Panel]:
    def of(unit: str) -> list[Line]:
        return [line for line in report.lines if line.unit == unit]

    return [
        curves("KiB sent to a late joiner by the tokens of the message", series(of("KiB"))),
        curves("ms until it has all of it", series(of("ms"))),
    ]


def duration(settings: Settings, _: Sequence[str]) -> float:
    return settings.repetitions * (2 + sum(numbers(settings)) / TOLD_PER_SECOND * 1.5)


LATE = Benchmark(
    name="late",
    about=(__doc__ or "").partition("\n")[0],
    measure=measure,
    panels=panels,
    floor=REPLAYED,
    has_peers=False,
    duration=duration,
)

if __name__ == "__main__":
    main([LATE], None, "benchmarks.late")
