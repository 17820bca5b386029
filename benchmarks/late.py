"""A late joiner: what it is sent of a message of so many tokens, replayed or folded; and what those far behind cost.

    python -m benchmarks.late [--quick] [--publish]

A task has said a message token by token and goes on. One reader has followed from the start and was sent each token as
an event of its own: that is what a replay of events costs. Another joins now and reads from the oldest event, as one
that lags: adjacent tokens come merged. A third asks for the snapshot. Each of them once on an event stream and once on
a WebSocket; what counts is all that came behind the head of the answer, up to the last event, and the time from the
request to there.

Then: a topic of a million events of which the file holds all and the memory few, and readers that begin at its oldest
event, or a thousand before its newest: by how much the engine's memory grows at the most while they read.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import product

from benchmarks.callboard_server import CallboardServer
from benchmarks.kept_store import filled, spoken
from benchmarks.machine import begin_peak, peak_bytes
from benchmarks.peers.catalogue import Peer
from benchmarks.picture import Panel, curves
from benchmarks.report import Line, Reading, Report, series
from benchmarks.rig import CALLBOARD, GATEWAY_PATH, Rig, say
from benchmarks.settings import Benchmark, Settings, main
from benchmarks.token_agents import TOLD_PER_SECOND
from benchmarks.wire_reader import Joined, read_socket, read_stream

SENT = "a late joiner to {x} tokens"
REPLAYED, MERGED, FOLDED = "event by event", "merged replay", "snapshot"
STREAM, SOCKET = "SSE", "WebSocket"
BEHIND = "a long topic, read by {x}"
TOPIC = "long"
NEAR = 1000
KIB, MIB = 1 << 10, 1 << 20
_SECONDS = 30.0
"""How long an answer may take."""
_TOLD = b"bench.told"


def numbers(settings: Settings) -> tuple[int, ...]:
    return (100, 1000) if settings.quick else (100, 1000, 10_000)


def readers(settings: Settings) -> tuple[int, ...]:
    return (2,) if settings.quick else (1, 10, 100)


def far(settings: Settings) -> int:
    return 20_000 if settings.quick else 1_000_000


def read(port: int, transport: str, task_id: str, way: str, opened: threading.Event | None = None) -> Joined:
    """What one who joins in this way is sent of a task's message."""
    folded = way == FOLDED
    last = b"snapshot" if folded else _TOLD
    if transport == STREAM:
        query = "?snapshot=1" if folded else "?since=0"
        return read_stream(port, f"/api/v1/channels/task/{task_id}/events{query}", last, opened)
    asked = {"snapshot": True} if folded else {"since": {task_id: "0"}}
    payload = {"channel": "task", "topics": [task_id], **asked}
    return read_socket(port, GATEWAY_PATH, payload, b'"event_type":"%b"' % last, opened)


def joined(server: CallboardServer, tokens: int) -> dict[tuple[str, str], Joined]:
    """What each of the three is sent, by its way and transport. Raises RuntimeError."""
    task_id = server.create("teller", str(tokens))
    found: dict[tuple[str, str], Joined] = {}
    opened = {transport: threading.Event() for transport in (STREAM, SOCKET)}

    def follow(transport: str) -> None:
        found[REPLAYED, transport] = read(server.port, transport, task_id, REPLAYED, opened[transport])

    followers = [threading.Thread(target=follow, args=(transport,)) for transport in opened]
    for follower in followers:
        follower.start()
    if not all(each.wait(_SECONDS) for each in opened.values()):
        raise RuntimeError("the stream did not begin")
    server.start(task_id)
    for follower in followers:
        follower.join(_SECONDS + tokens / TOLD_PER_SECOND)
    if len(found) != len(followers):
        raise RuntimeError("who followed has not got all of it")
    for way, transport in product((MERGED, FOLDED), opened):
        found[way, transport] = read(server.port, transport, task_id, way)
    return found


def sent(server: CallboardServer, tokens: int) -> Iterator[Reading]:
    found = joined(server, tokens)
    for way, transport in product((REPLAYED, MERGED, FOLDED), (STREAM, SOCKET)):
        got = found[way, transport]
        lagged = way == REPLAYED and got.events < tokens
        doubts = ("who followed has lagged, and was merged for",) if lagged else ()
        name = f"{way}, {transport}"
        yield Reading(SENT, name, "KiB", got.bytes / KIB, tokens, doubts)
        if way != REPLAYED:
            yield Reading(SENT, name, "ms", 1000 * got.seconds, tokens)


def lagging(rig: Rig, server: CallboardServer, settings: Settings, events: int) -> Iterator[Reading]:
    """Each in a process that was just started: Python gives little memory back. Those who are far behind read for so
    many seconds, the others until they have all."""
    epoch, _, tail = server.publish(TOPIC, {"t": 0}).partition(":")
    for count, behind in product(readers(settings), (NEAR, events)):
        rig.on_server_core(server.restart)
        server.wait_ready()
        path = f"/api/v1/channels/app/{TOPIC}/events?since={epoch}:{int(tail) - behind}"
        steps = ("--expect", "event: subscribed")
        before = begin_peak(server.pid)
        with rig.generator(
            server.port, path, count, sse=True, script=steps, total=count * behind, warmup=0, seconds=settings.seconds
        ) as load:
            load.wait_ready()
            load.result()
        grown = peak_bytes(server.pid) - before
        yield Reading(BEHIND, f"{behind:,} events behind", "MiB more at the peak", grown / MIB, count)


def measure(settings: Settings, _: Sequence[Peer]) -> list[Reading]:
    if CALLBOARD not in settings.chosen(()):
        return []
    rig, found = Rig(settings.window, fit=False), list[Reading]()
    for repetition in range(settings.repetitions):
        with rig.callboard() as server:
            for tokens in numbers(settings):
                say(f"[{repetition + 1}/{settings.repetitions}] late: {tokens} tokens")
                found += sent(server, tokens)
    kept = {"RETENTION__APP__EVENTS": "10000000", "RETENTION__APP__BYTES": str(1 << 30)}
    say(f"late: a topic of {far(settings):,} events is written")
    fill = filled(spoken(TOPIC, far(settings), {"t": 0, "pad": "x" * 100}))
    with rig.callboard(False, kept, fill) as server:
        for repetition in range(settings.repetitions):
            say(f"[{repetition + 1}/{settings.repetitions}] late: readers {NEAR:,} and {far(settings):,} events behind")
            found += lagging(rig, server, settings, far(settings))
    return found


def panels(report: Report) -> list[Panel]:
    def of(unit: str) -> list[Line]:
        return [line for line in report.lines if line.unit == unit]

    return [
        curves("KiB sent to a late joiner by the tokens of the message", series(of("KiB"))),
        curves("ms until it has all of it", series(of("ms"))),
        curves("MiB more at the peak, by the readers that are behind", series(of("MiB more at the peak"))),
    ]


def duration(settings: Settings, _: Sequence[str]) -> float:
    lags = 2 * len(readers(settings)) * (settings.seconds + 2)
    each = 2 + sum(numbers(settings)) / TOLD_PER_SECOND * 1.5 + lags
    return settings.repetitions * each + far(settings) / 70_000


LATE = Benchmark(
    name="late",
    about=(__doc__ or "").partition("\n")[0],
    measure=measure,
    panels=panels,
    floor=f"{REPLAYED}, {STREAM}",
    has_peers=False,
    duration=duration,
)

if __name__ == "__main__":
    main([LATE], None, "benchmarks.late")
