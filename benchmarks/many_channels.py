"""Channels by their number: the memory of one, the time to publish to one and to a new one, what others feel of them.

An HTTP request leaves objects in cycles behind, which wait long for a collection: they are collected every thousand
requests, so that the memory told is the channels'.

Python gives little of what becomes free back to the system, and uses it again. So what an idle channel keeps is by how
much the process grows when, after all have been put away, as many again are used.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from benchmarks.callboard_server import CallboardServer
from benchmarks.machine import median, resident_bytes
from benchmarks.polite import polite
from benchmarks.publisher import Publisher
from benchmarks.report import Reading
from benchmarks.rig import CALLBOARD, GATEWAY_PATH, Rig, say, send

LIVE = "a channel just used, {kind}, of {x}"
IDLE = "an idle channel, {kind}, of {x}"
PUBLISH = "publish to one of {x} channels, {kind}"
CREATE = "publish to a new channel beside {x}, {kind}"
POLITE = "one stream at 100 events/s beside {x} channels, {kind}"
NAMED, KEPT = "without an event", "with one event"
TIMES = 200
COLLECT_EVERY = 1000
TOPICS = 1000
"""Topics of one subscription."""
FEW = 10
"""Topics that are in use anyway."""
PUT_AWAY = 60.0
"""Seconds in which the engine must have put idle channels away."""
NO_LIMIT = {"requests_per_second": 1_000_000, "requests_burst": 1_000_000}
KIB = 1024


def channels(rig: Rig, kind: str, numbers: Sequence[int], *, idle: bool) -> Iterator[Reading]:
    """`kind` is NAMED, where somebody has subscribed to each once, or KEPT, where an event was published to each.

    `idle` waits until the engine has put the last number of them away, and uses as many again.
    """
    with rig.callboard(**NO_LIMIT) as server, Publisher(server.port) as publisher:
        publisher.publish_each(["warm"] * COLLECT_EVERY)
        tasks_before, bytes_before, made = server.trio_tasks(), resident_bytes(server.pid), 0
        bytes_live = bytes_before
        for number in numbers:
            topics = [f"t{place}" for place in range(made, number)]
            _create(rig, server, publisher, kind, topics)
            made = number
            bytes_live = resident_bytes(server.pid)
            yield _each(LIVE, kind, number, bytes_live - bytes_before)
            yield from _times(publisher, kind, number)
            yield from polite(rig, server, POLITE.replace("{kind}", kind), number)
        if idle:
            _wait_idle(server)
            tasks = server.trio_tasks() - tasks_before
            _create(rig, server, publisher, kind, [f"again{place}" for place in range(made)])
            yield _each(IDLE, kind, made, resident_bytes(server.pid) - bytes_live)
            yield Reading(IDLE.replace("{kind}", kind), CALLBOARD, "trio tasks for all", tasks, made)


def _create(rig: Rig, server: CallboardServer, publisher: Publisher, kind: str, topics: Sequence[str]) -> None:
    if kind == KEPT:
        for start in range(0, len(topics), COLLECT_EVERY):
            publisher.publish_each(topics[start : start + COLLECT_EVERY])
            server.trio_tasks()
        return
    for start in range(0, len(topics), TOPICS):
        names = {"channel": "app", "topics": topics[start : start + TOPICS]}
        with rig.generator(server.port, GATEWAY_PATH, 1, script=send("subscribe", names, "subscribed")) as subscriber:
            subscriber.wait_ready()


def _times(publisher: Publisher, kind: str, number: int) -> Iterator[Reading]:
    old = [publisher.publish("t0") for _ in range(TIMES)]
    new = [publisher.publish(f"new-{number}-{place}") for place in range(TIMES)]
    for subject, seconds in ((PUBLISH, old), (CREATE, new)):
        yield Reading(subject.replace("{kind}", kind), CALLBOARD, "p50 ms", 1000 * median(seconds), number)


def _each(subject: str, kind: str, number: int, grown: int) -> Reading:
    return Reading(subject.replace("{kind}", kind), CALLBOARD, "KiB each", max(0, grown) / number / KIB, number)


def _wait_idle(server: CallboardServer) -> None:
    say("    waiting for the engine to put idle channels away")
    deadline = time.monotonic() + PUT_AWAY
    while server.live_topics() > FEW:
        if time.monotonic() > deadline:
            raise RuntimeError(f"channels were not put away within {PUT_AWAY:.0f} s")
        time.sleep(0.5)
