"""What an audience of one dialect costs the server, and one of all five, who follow one task.

    python -m benchmarks.dialects [--quick | --full] [--publish]

All clients are one owner's, who has started the task in the conversation of a pipeline's room: so every dialect tells
of it in its own way, the gateway and the agent dialect each event, the steps dialect a progress ten times a second, a
pipeline the answer as it grows, a wallet the whole task. Their clients cost differently for that. The mixed audience is
a fifth of each: it is compared with the mean of the five, which is what it would cost if nothing were lost by mixing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack

import msgspec

from benchmarks.peers.catalogue import Peer
from benchmarks.picture import Panel, bars
from benchmarks.report import Reading, Report
from benchmarks.rig import GATEWAY_PATH, Rig, Watched, say, send
from benchmarks.settings import Benchmark, Settings, main
from benchmarks.talk_agent import MARKER

SUBJECT = "one task, {x} clients"
MEAN, ALL = "mean of the five", "all five"
CPU, DELIVERIES, EACH = "CPU %", "deliveries/s", "CPU µs a delivery"
MANY = 1000
OWNER = "11111111111111111111111111111112"
"""The user's name, and a public key: the same owner's for all dialects."""
PIPELINE = "550e8400-e29b-41d4-a716-446655440000"
_SETTINGS = {"WALLET__REQUIRE_SIGNATURE": "false", "AGENT__MAX_CONNECTIONS": str(2 * MANY)}


class Audience(msgspec.Struct, frozen=True):
    """How the clients of one dialect come to follow the task."""

    path: str
    script: tuple[str, ...]


def audiences(key: str, task_id: str) -> dict[str, Audience]:
    """For the owner with that API key."""
    shown = ("--header", f"Authorization: Bearer {key}")
    watch = msgspec.json.encode({"type": "watch", "task_id": task_id}).decode()
    login = send("auth", {"token": key}, "auth.result")
    follow = send("subscribe", {"channel": "task", "topics": [task_id]}, "subscribed")
    room = f"/api/v1/pipelines/{PIPELINE}/ws/connect?session_type=person"
    return {
        "gateway": Audience(GATEWAY_PATH, (*login, *follow)),
        "agent": Audience("/ws/agent", (*shown, "--expect", '"connected"', "--send", watch, "--expect", '"watching"')),
        "steps": Audience("/ws", (*shown, "--expect", '"status"')),
        "pipeline": Audience(room, (*shown, "--expect", '"connected"')),
        "wallet": Audience(
            "/api/ws", ("--header", f"X-Solana-PublicKey: {OWNER}", "--expect", '"connection_established"')
        ),
    }


DIALECTS = tuple(audiences("", ""))


def shares(dialect: str, clients: int) -> dict[str, int]:
    """How many clients each dialect has in an audience of that name."""
    return {each: clients // len(DIALECTS) for each in DIALECTS} if dialect == ALL else {dialect: clients}


def watch(rig: Rig, shared: Mapping[str, int]) -> Watched:
    """One measurement. Raises RuntimeError where the server fails or not one event arrives."""
    with rig.callboard(True, _SETTINGS) as server, ExitStack() as stack:
        key = server.sign_in(OWNER)
        task_id = server.create("talker", "go", session_id=server.room(PIPELINE))
        ways = audiences(key, task_id)
        generators = [
            stack.enter_context(
                rig.generator(server.port, ways[name].path, count, script=ways[name].script, marker=MARKER)
            )
            for name, count in shared.items()
        ]
        for generator in generators:
            generator.wait_ready()
        server.start(task_id)
        return rig.count(server.pid, generators)


def readings(audience: str, clients: int, watched: Watched) -> list[Reading]:
    """The server's share of its core, what arrived, and what each delivery of that took."""
    per_second = watched.counted.per_second
    figures = {CPU: 100 * watched.cpu_share, DELIVERIES: per_second, EACH: 1e6 * watched.cpu_share / per_second}
    doubts = tuple(watched.doubts)
    return [Reading(SUBJECT, audience, unit, value, clients, doubts) for unit, value in figures.items()]


def mean_of(found: Sequence[Reading]) -> Iterator[Reading]:
    """What a fifth of each of these audiences would cost together, if nothing were lost or won by mixing them."""
    singles = [reading for reading in found if reading.server in DIALECTS]
    doubts = tuple(dict.fromkeys(doubt for reading in singles for doubt in reading.doubts))
    cpu, deliveries = (
        _mean(reading.value for reading in singles if reading.unit == unit) for unit in (CPU, DELIVERIES)
    )
    for unit, value in {CPU: cpu, DELIVERIES: deliveries, EACH: 1e4 * cpu / deliveries}.items():
        yield Reading(SUBJECT, MEAN, unit, value, singles[0].x, doubts)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def measure(settings: Settings, peers: Sequence[Peer]) -> list[Reading]:
    rig, clients = Rig(settings.window, fit=False), 50 if settings.quick else MANY
    found: list[Reading] = []
    for repetition in range(settings.repetitions):
        taken: list[Reading] = []
        for audience in (*DIALECTS, ALL):
            say(f"[{repetition + 1}/{settings.repetitions}] dialects: {audience}, {clients} clients")
            watched = watch(rig, shares(audience, clients))
            taken += readings(audience, clients, watched)
            told = ", ".join(f"{reading.value:,.1f} {reading.unit}" for reading in taken[-3:])
            say(f"    {told}{watched.doubts_text}")
        found += [*mean_of(taken), *taken]
    return found


def panels(report: Report) -> list[Panel]:
    clients = max(line.x for line in report.lines)
    titles = {CPU: "of a core", EACH: "of CPU for each delivery, microseconds"}
    return [
        bars(
            f"One task, {clients:,} clients of a dialect and of all: {'percent ' if unit == CPU else ''}{title}",
            [line for line in report.lines if line.unit == unit],
        )
        for unit, title in titles.items()
    ]


def duration(settings: Settings, servers: Sequence[str]) -> float:
    return settings.duration(len(DIALECTS) + 1)


DIALECTS_BENCHMARK = Benchmark(
    name="dialects",
    about=(__doc__ or "").partition("\n")[0],
    measure=measure,
    panels=panels,
    floor=MEAN,
    has_peers=False,
    duration=duration,
)

if __name__ == "__main__":
    main([DIALECTS_BENCHMARK], None, "benchmarks.dialects")
