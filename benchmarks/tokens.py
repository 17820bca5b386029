"""Private streams: each connection follows a task of its own at 50 tokens a second; first token, cancel.

    python -m benchmarks.tokens [--quick] [--publish]

Beside it stands what as many bare trio timers cost that send nothing, and those that send what a token is. The agents
sleep by `task.sleep_until`, where they share a timer, and once by trio's own: then Callboard pays for its timers what
the bare ones do. It has its log on the disk, where each token is committed before it is sent, and then in memory. A
reading in which the tokens did not come at their full rate is told apart: its CPU is that of less work.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.callboard_server import ROOT, CallboardServer
from benchmarks.load.processes import MARKER, LoadGenerator, Program
from benchmarks.machine import cpu_time
from benchmarks.peers.catalogue import Peer
from benchmarks.picture import Panel, bars, curves
from benchmarks.report import Reading, Report, series
from benchmarks.rig import CALLBOARD, GATEWAY_PATH, IN_MEMORY, OTHERS_RAN, WAITING_LIMIT, Rig, say, subscribe
from benchmarks.settings import Benchmark, Settings, main
from benchmarks.token_agents import TOKENS_PER_SECOND

TIMERS = "trio timers"
SENDING = "trio timers that send"
KEPT = f"{CALLBOARD}, on disk"
UNKEPT = f"{CALLBOARD}, in memory"
OWN_TIMERS = f"{UNKEPT}, trio timers"
SETTINGS: Mapping[str, Mapping[str, str]] = {KEPT: {}, UNKEPT: IN_MEMORY, OWN_TIMERS: IN_MEMORY}
"""By the name of the server, where it has its log."""
STREAMS = 500
STREAMING = "{x} streams at 50 tokens/s"
FIRST = "create to first token"
CANCEL = "cancel of one of {x} streams to `task.cancelled`"
ROOM = {"running_tasks": 20_000, "batch_tasks": 1_000}
MODERATE = 100
"""Streams that leave the core time: the cancellation itself is measured then, and not the wait for the core."""
AT_RATE = 0.98
STREAM_NAP_US = 1000
"""The generator looks up so often, and its naps are part of the latencies. One that slept until a token comes would
have the server pay for each wake-up, which clients on machines of their own do not."""
CANCEL_EVERY = 4.0
"""Seconds over which the cancellations of all streams are spread."""


def action(name: str, data: object = None) -> str:
    """The frame of a task action; `%s` stands for the connection's own task."""
    payload = {"action": name, "task_id": "" if name == "create" else "%s", "data": data}
    return msgspec.json.encode({"id": name, "type": "task.action", "payload": payload}).decode()


FOLLOW = (*subscribe("%s"), "--send", action("append_turn", "go"), "--expect", '"success":true')


def timers(rig: Rig, settings: Settings, streams: int, *, send: bool = False) -> list[Reading]:
    """The share of a core of a process that only wakes up, and with `send` writes to a socket each time."""
    command = [sys.executable, "-m", "benchmarks.timer_loop", str(streams), str(TOKENS_PER_SECOND)]
    with ExitStack() as stack:
        running = stack.enter_context(
            rig.on_server_core(lambda: Program("timer_loop", [*command, *(["send"] if send else [])], ROOT))
        )
        if send:
            reader = [sys.executable, "-m", "benchmarks.timer_reader", str(running.listening()), str(streams)]
            stack.enter_context(rig.on_load_core(lambda: Program("timer_reader", reader, ROOT)))
        time.sleep(1)
        before, began = cpu_time(running.pid), time.monotonic_ns()
        time.sleep(settings.seconds)
        spent, wall = cpu_time(running.pid) - before, time.monotonic_ns() - began
    doubts = (OTHERS_RAN,) if spent.waiting / wall > WAITING_LIMIT else ()
    return [Reading(STREAMING, SENDING if send else TIMERS, "CPU %", 100 * spent.running / wall, streams, doubts)]


def streaming(rig: Rig, name: str, streams: int) -> list[Reading]:
    """All streams at once. Their CPU compares with the timers' at the full rate only."""
    agent = "trio_streamer" if name == OWN_TIMERS else "streamer"
    with _streams(rig, name, streams, agent) as (server, topics):
        script = [*FOLLOW, "--topics", topics]
        with rig.generator(
            server.port, GATEWAY_PATH, streams, script=script, marker=MARKER, nap_us=STREAM_NAP_US
        ) as load:
            load.wait_ready()
            flowing = rig.count(server.pid, [load])
    per_second, latency = flowing.counted.per_second, flowing.counted.latency_us
    doubts = (*flowing.doubts, *not_at_rate(per_second, streams))
    return [
        Reading(STREAMING, name, "CPU %", 100 * flowing.cpu_share, streams, doubts),
        Reading(STREAMING, name, "tokens/s", per_second, streams, doubts),
        Reading(STREAMING, name, "p99 ms", latency.p99 / 1000, streams, doubts),
    ]


def not_at_rate(per_second: float, streams: int) -> tuple[str, ...]:
    """A doubt where fewer tokens came than were due."""
    share = per_second / (streams * TOKENS_PER_SECOND)
    return () if share >= AT_RATE else (f"not at rate: {share:.0%} of the tokens came",)


def cancelling(rig: Rig, name: str, streams: int) -> list[Reading]:
    """The cancellation of each of so many running streams, spread over seconds."""
    with _streams(rig, name, streams) as (server, topics):
        script = [*FOLLOW, "--topics", topics, "--request", action("cancel"), "--once", "--every", str(CANCEL_EVERY)]
        with _answered(rig, server.port, streams, script, '"task.cancelled"', streams, STREAM_NAP_US) as load:
            load.wait_ready()
            stopped = rig.count(server.pid, [load])
    latency, doubts = stopped.counted.latency_us, tuple(stopped.doubts)
    return [
        Reading(CANCEL, name, "p50 ms", latency.p50 / 1000, streams, doubts),
        Reading(CANCEL, name, "p99 ms", latency.p99 / 1000, streams, doubts),
    ]


@contextmanager
def _streams(rig: Rig, name: str, count: int, agent: str = "streamer") -> Iterator[tuple[CallboardServer, str]]:
    """A server with so many streams that wait for their turn, and a file with the line of each."""
    with rig.callboard(False, SETTINGS[name], **ROOM) as server, tempfile.TemporaryDirectory() as folder:
        topics = Path(folder) / "topics"
        topics.write_text("".join(f"{task}\n" for task in server.create_many(agent, count)))
        yield server, str(topics)


def first_token(rig: Rig, name: str, count: int) -> list[Reading]:
    """From the generator's `create` to the first token, of an agent that emits it at once."""
    create = action("create", {"agent": "greeter", "prompt": "go"})
    follow_all = '{"id":"s","type":"subscribe","payload":{"channel":"task","topics":[]}}'
    script = [
        "--send", follow_all, "--expect", '"subscribed"', "--request", create, "--every", "0.02",
    ]  # fmt: skip
    with (
        rig.callboard(False, SETTINGS[name], commands_per_second=1_000_000) as server,
        _answered(rig, server.port, 1, script, '"bench.first"', count) as load,
    ):
        load.wait_ready()
        watched = rig.count(server.pid, [load])
    latency, doubts = watched.counted.latency_us, tuple(watched.doubts)
    return [
        Reading(FIRST, name, "p50 ms", latency.p50 / 1000, 0, doubts),
        Reading(FIRST, name, "p99 ms", latency.p99 / 1000, 0, doubts),
    ]


def _answered(
    rig: Rig, port: int, connections: int, script: Sequence[str], marker: str, total: int, nap_us: int = 0
) -> LoadGenerator:
    """A generator that asks and ends at so many answers."""
    return rig.generator(
        port, GATEWAY_PATH, connections, script=script, marker=marker, seconds=0, warmup=0, total=total, nap_us=nap_us
    )


def measure(settings: Settings, _: Sequence[Peer]) -> list[Reading]:
    rig, found = Rig(settings.window, fit=False), list[Reading]()
    streams = 50 if settings.quick else STREAMS
    moderate = 10 if settings.quick else MODERATE
    parts: list[tuple[str, Callable[[], list[Reading]]]] = [
        (TIMERS, lambda: timers(rig, settings, streams)),
        (SENDING, lambda: timers(rig, settings, streams, send=True)),
        (f"{OWN_TIMERS}, streams", lambda: streaming(rig, OWN_TIMERS, streams)),
    ]
    for server in (KEPT, UNKEPT):
        parts += [
            (f"{server}, streams", partial(streaming, rig, server, streams)),
            (f"{server}, cancellation among {moderate}", partial(cancelling, rig, server, moderate)),
            (f"{server}, cancellation among {streams}", partial(cancelling, rig, server, streams)),
            (f"{server}, first token", partial(first_token, rig, server, 50 if settings.quick else 200)),
        ]
    for repetition in range(settings.repetitions):
        for name, part in parts:
            say(f"[{repetition + 1}/{settings.repetitions}] tokens: {name}")
            readings = part()
            found += readings
            say("    " + ", ".join(f"{reading.value:,.1f} {reading.unit}" for reading in readings))
    return found


def panels(report: Report) -> list[Panel]:
    share = [line for line in report.lines if line.unit == "CPU %"]
    cancelled = [line for line in report.lines if line.subject == CANCEL and line.unit == "p99 ms"]
    return [
        bars("Percent of a core for the streams", share),
        curves("p99 from cancel to task.cancelled by the number of streams, ms", series(cancelled)),
    ]


def duration(settings: Settings, _: Sequence[str]) -> float:
    each = settings.seconds + 2 * CANCEL_EVERY + 13
    return settings.repetitions * (3 * settings.seconds + 15 + 2 * each)


TOKENS = Benchmark(
    name="tokens",
    about=(__doc__ or "").partition("\n")[0],
    measure=measure,
    panels=panels,
    floor=TIMERS,
    has_peers=False,
    duration=duration,
)

if __name__ == "__main__":
    main([TOKENS], None, "benchmarks.tokens")
