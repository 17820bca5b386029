"""Tasks that run and wait, by their number: the memory of one, and what a stream among them feels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.machine import resident_bytes
from benchmarks.polite import polite
from benchmarks.report import Reading
from benchmarks.rig import CALLBOARD, Rig

LIVE = "a live task of {x}"
POLITE = "one stream at 100 events/s beside {x} live tasks"
ROOM = {"running_tasks": 20_000, "batch_tasks": 1_000}
KIB = 1024
_COUNTS = 10


def live_tasks(rig: Rig, numbers: Sequence[int]) -> Iterator[Reading]:
    with rig.callboard(**ROOM) as server:
        server.create_many("idler", 1)
        # The engine's own tasks come and go: the least of several counts has none that is about to end.
        tasks_before = min(server.trio_tasks() for _ in range(_COUNTS))
        bytes_before, live = resident_bytes(server.pid), 0
        for number in numbers:
            server.create_many("idler", number - live)
            live = number
            grown = max(0, resident_bytes(server.pid) - bytes_before)
            yield Reading(LIVE, CALLBOARD, "KiB each", grown / number / KIB, number)
            yield Reading(LIVE, CALLBOARD, "trio tasks each", (server.trio_tasks() - tasks_before) / number, number)
            yield from polite(rig, server, POLITE, number)
