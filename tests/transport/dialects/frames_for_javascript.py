"""What the server sends, written down for the tests of the JavaScript client (clients/js/test/serverFrames.test.ts).

python -m tests.transport.dialects.frames_for_javascript    # after a change of the wire: writes it anew
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from actors.event import Json
from tests.transport.dialects.every_event import TASK, WELL_FORMED, Said, feed_of, frames_of, logged, text_of
from transport.dialects.steps_events import BlockEncoder
from transport.dialects.steps_projection import StepsProjection

PATH = Path(__file__).parents[3] / "clients" / "js" / "test" / "golden" / "serverFrames.json"

ODD: list[Json] = [None, True, -1, 1.5, "", "\u2028\n\r\0 \U0001f600", [], {}, [{"id": 7}], {"content": None}, 2**40]
"""What an agent elsewhere may post in place of what is expected."""


def odd_events() -> list[Said]:
    """Every event with each of its members spoiled in turn."""
    spoiled: list[Said] = []
    for key, kind, data in WELL_FORMED:
        names = list(data) if isinstance(data, dict) else []
        spoiled += [
            (key, kind, {**dict(data), name: ODD[(len(spoiled) + at) % len(ODD)]})
            for at, name in enumerate(names)
            if isinstance(data, dict)
        ]
        spoiled.append((key, kind, ODD[len(spoiled) % len(ODD)]))
    return spoiled


def golden() -> dict[str, Any]:
    """`gateway`: each frame beside the data that was logged. `steps`: the frames of each run of a task. `stream`: the
    first of these runs as an event stream."""
    said = WELL_FORMED + odd_events()
    events = logged(said)
    gateway = [
        {"text": text_of(frame).decode(), "data": data}
        for frame, (_, _, data) in zip(frames_of("gateway", events), said, strict=True)
    ]
    runs = [
        *([*_of_tasks(WELL_FORMED, ended=False), end] for end in _of_tasks(WELL_FORMED, ended=True)),
        _of_tasks(odd_events(), ended=False),
        *([WELL_FORMED[1], end] for end in _of_tasks(odd_events(), ended=True)),
    ]
    stream = b"".join(BlockEncoder().encode(event) for event in feed_of(StepsProjection(0.1), logged(runs[0])))
    steps = [[text_of(frame).decode() for frame in frames_of("steps", logged(run))] for run in runs]
    return {"gateway": gateway, "steps": steps, "stream": stream.decode()}


def _of_tasks(said: list[Said], *, ended: bool) -> list[Said]:
    ends = ("task.completed", "task.failed", "task.cancelled")
    return [each for each in said if each[0] == TASK and (each[1] in ends) == ended]


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(json.dumps(golden(), indent=1) + "\n")
