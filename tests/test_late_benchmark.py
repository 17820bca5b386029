"""The benchmark of a late joiner on a small scale: three ways to all of a message, and readers that are behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.late import FOLDED, LATE, MERGED, REPLAYED, SOCKET, STREAM
from benchmarks.settings import main


@pytest.mark.time_limit(120)
def test_a_snapshot_is_the_smallest_and_a_replay_event_by_event_the_largest(tmp_path: Path) -> None:
    main([LATE], ["--quick", "--out", str(tmp_path)], "late")
    found = json.loads((tmp_path / "late.json").read_text())["lines"]
    sent = {(line["server"], line["x"]): line["median"] for line in found if line["unit"] == "KiB"}
    assert {x for _, x in sent} == {100, 1000}
    for transport in (STREAM, SOCKET):
        folded, replayed = sent[f"{FOLDED}, {transport}", 1000], sent[f"{REPLAYED}, {transport}", 1000]
        assert folded < replayed / 10
        assert sent[f"{MERGED}, {transport}", 1000] < replayed
        assert folded > 1000 * len(" word") / 1024
    behind = [line["server"] for line in found if line["unit"] == "MiB more at the peak"]
    assert behind == ["1,000 events behind", "20,000 events behind"]
    assert "<svg" in (tmp_path / "late.svg").read_text()
