"""The benchmark of a late joiner on a small scale: three ways to all of a message."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.late import FOLDED, LATE, MERGED, REPLAYED
from benchmarks.settings import main


def test_a_snapshot_is_the_smallest_and_a_replay_event_by_event_the_largest(tmp_path: Path) -> None:
    main([LATE], ["--quick", "--out", str(tmp_path)], "late")
    found = json.loads((tmp_path / "late.json").read_text())["lines"]
    sent = {(line["server"], line["x"]): line["median"] for line in found if line["unit"] == "KiB"}
    assert {x for _, x in sent} == {100, 1000}
    assert sent[FOLDED, 1000] < sent[REPLAYED, 1000] / 10
    assert sent[MERGED, 1000] < sent[REPLAYED, 1000]
    assert sent[FOLDED, 1000] > 1000 * len(" word") / 1024
    assert "<svg" in (tmp_path / "late.svg").read_text()
