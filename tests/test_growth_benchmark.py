"""The benchmark of growth on a small scale: subscribers beside the floor, channels and live tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import polite
from benchmarks.growth import COST, DELIVERY, GROWTH, audiences, numbers
from benchmarks.load.compiler import NO_COMPILER, find_compiler
from benchmarks.many_channels import KEPT, NAMED, channels
from benchmarks.many_tasks import live_tasks
from benchmarks.publisher import Publisher
from benchmarks.report import Reading
from benchmarks.rig import FLOOR, Rig, Window
from benchmarks.settings import Settings, main

pytestmark = pytest.mark.skipif(find_compiler() is None, reason=NO_COMPILER)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polite, "SECONDS", 0.2)


def by_unit(found: list[Reading], word: str) -> dict[str, float]:
    return {reading.unit: reading.value for reading in found if word in reading.subject}


@pytest.mark.parametrize("kind", [NAMED, KEPT])
def test_channels_are_created_and_published_to(kind: str) -> None:
    found = list(channels(Rig(Window(), fit=False), kind, (1, 50), idle=False))
    assert {reading.x for reading in found} == {1, 50}
    assert all(kind in reading.subject for reading in found)
    assert 0 < by_unit(found, "publish to one")["p50 ms"] < 1000
    assert 0 < by_unit(found, "publish to a new")["p50 ms"] < 1000
    stream = by_unit(found, "one stream")
    assert 0 < stream["p50 ms"] <= stream["p99 ms"] <= stream["longest ms"]


def test_live_tasks_have_memory_and_trio_tasks() -> None:
    found = [reading for reading in live_tasks(Rig(Window(), fit=False), (200,)) if "a live task" in reading.subject]
    assert 1 < by_unit(found, "live")["KiB each"] < 1000
    assert by_unit(found, "live")["trio tasks each"] >= 1


def test_the_topics_in_use_are_counted() -> None:
    with Rig(Window(), fit=False).callboard() as server, Publisher(server.port) as publisher:
        before = server.live_topics()
        publisher.publish_each([f"t{place}" for place in range(20)])
        assert server.live_topics() == before + 20


def test_an_event_that_is_refused_is_said() -> None:
    with (
        Rig(Window(), fit=False).callboard() as server,
        Publisher(server.port) as publisher,
        pytest.raises(RuntimeError, match="refused"),
    ):
        publisher.publish("")


def test_the_curve_of_the_floor(tmp_path: Path) -> None:
    arguments = ["--quick", "--server", FLOOR, "--seconds", "0.2", "--out", str(tmp_path)]
    main([GROWTH], arguments, "growth")
    found = json.loads((tmp_path / "growth.json").read_text())["lines"]
    assert [(line["subject"], line["unit"], line["x"]) for line in found] == [
        (DELIVERY, COST, 1),
        (DELIVERY, COST, 100),
    ]
    assert all(0 < line["median"] < 1000 for line in found)


def test_everything_grows_as_far_as_it_should() -> None:
    assert audiences(Settings())[-1] == 15_000
    assert numbers(Settings(), NAMED)[-1] == numbers(Settings(full=True), KEPT)[-1] == 100_000
