"""npm's `eventsource` follows a task over connections that break, by nothing but its own `Last-Event-ID`."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.clients import assert_gapless, event_stream, rest, stream_until, unmerged
from tests.e2e.conftest import Token
from tests.e2e.engine_process import EngineProcess
from tests.e2e.node_process import NodeProcess, node_process
from tests.e2e.tcp_proxy import tcp_proxy

TYPES = (
    "subscribed",
    "task.started",
    "task.turn_started",
    "agent.message",
    "burst.tick",
    "task.turn_completed",
    "task.waiting",
    "task.completed",
    "gap",
)


class Streams:
    """What each EventSource has told so far."""

    def __init__(self, script: NodeProcess, count: int) -> None:
        self._script = script
        self.lines: list[list[dict[str, Any]]] = [[] for _ in range(count)]

    def read_until(self, *wanted: tuple[int, str, int]) -> None:
        """Until each of these streams has had so many events of that type."""
        while not all(sum(line["type"] == kind for line in self.lines[n]) >= count for n, kind, count in wanted):
            line = self._script.read()
            self.lines[line["stream"]].append(line)

    def events(self, number: int) -> list[dict[str, Any]]:
        kinds = {"open", "error", "subscribed"}
        return [line["data"] for line in self.lines[number] if line["type"] not in kinds]

    def count(self, number: int, kind: str) -> int:
        return sum(line["type"] == kind for line in self.lines[number])


def test_it_resumes_by_itself_and_misses_and_doubles_nothing(engine: EngineProcess, token: Token) -> None:
    key = token("alice")
    with rest(engine.url, key) as api, tcp_proxy(engine.port) as proxy:
        fast = api.post("/api/v1/tasks", json={"agent": "burst", "prompt": "600"}).json()
        slow = api.post("/api/v1/tasks", json={"agent": "patient", "prompt": "one"}).json()
        urls = [
            f"{proxy.url}/api/v1/channels/task/{task['id']}/events?since={task['position']}&access_token={key}"
            for task in (fast, slow)
        ]
        with node_process("follow.mjs", json.dumps(urls), json.dumps(TYPES)) as script:
            streams = Streams(script, 2)
            streams.read_until((0, "burst.tick", 3), (1, "agent.message", 1))
            proxy.drop()
            api.post(f"/api/v1/tasks/{slow['id']}/turns", json={"prompt": "two"}).raise_for_status()
            streams.read_until((0, "task.completed", 1), (1, "agent.message", 2))
            api.post(f"/api/v1/tasks/{slow['id']}/turns", json={"prompt": "three"}).raise_for_status()
            streams.read_until((1, "agent.message", 3))
            proxy.drop()
            api.post(f"/api/v1/tasks/{slow['id']}/turns", json={"prompt": "end"}).raise_for_status()
            streams.read_until((1, "task.completed", 1))
        for number, task in enumerate((fast, slow)):
            seen = streams.events(number)
            assert_gapless(seen)
            with event_stream(api, "task", task["id"], task["position"]) as events:
                assert unmerged(seen) == unmerged(stream_until(events))
        assert streams.count(0, "open") >= 2
        assert streams.count(1, "open") == 3
        assert [line["type"] for line in streams.lines[1] if line["type"] in ("open", "error")][:3] == [
            "open",
            "error",
            "open",
        ]
