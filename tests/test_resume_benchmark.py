"""The benchmark of a restart on a small scale: everybody comes back, and tasks that were kept are there."""

from __future__ import annotations

from benchmarks.kept_store import ended_tasks, filled
from benchmarks.resume import OWN, come_back
from benchmarks.rig import Rig
from benchmarks.settings import Settings

QUICK = Settings(quick=True)


def test_all_come_back_to_topics_of_their_own() -> None:
    found = come_back(Rig(QUICK.window, fit=False), OWN, 50)
    assert {reading.unit: reading.value > 0 for reading in found} == {
        "s until it serves": True, "s until all are live": True, "missed events sent/s": True,
    }  # fmt: skip


def test_what_is_written_without_an_engine_is_what_an_engine_finds() -> None:
    rig = Rig(QUICK.window, fit=False)
    with rig.callboard(False, None, filled(ended_tasks(3))) as server:
        assert server.ended_tasks() == {f"task-{number:016x}": "so many words " * 5 for number in range(3)}
