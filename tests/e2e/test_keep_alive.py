"""One connection for several requests and an event stream, as Node's http agent keeps it."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.clients import rest
from tests.e2e.engine_process import engine_process
from tests.e2e.node_process import node_process

CONFIG = """
[timeouts]
idle_seconds = 0.5
"""


def test_requests_and_a_stream_on_one_kept_connection(tmp_path: Path) -> None:
    with engine_process(tmp_path, CONFIG) as engine, rest(engine.url) as api:
        task = api.post("/api/v1/tasks", json={"agent": "burst", "prompt": "20"}).json()
        path = f"/api/v1/channels/task/{task['id']}/events?since={task['position']}"
        with node_process("keep_alive.mjs", engine.url, path, "task.completed") as script:
            first, second, closed, third, stream, event, last = (script.read() for _ in range(7))
    assert [line["status"] for line in (first, second, third, stream, last)] == [200] * 5
    assert (first["reused"], second["reused"], third["reused"], stream["reused"]) == (False, True, False, True)
    assert first["port"] == second["port"] != third["port"] == stream["port"]
    assert closed == {"idle": "closed"}
    assert event["event"] == "task.completed"
