"""What had not ended where it was exported, and where an imported conversation is seen."""

from __future__ import annotations

import json
from pathlib import Path

from websockets.sync.client import connect

from tests.e2e.clients import event_stream, rest, stream_until
from tests.e2e.engine_process import PATIENCE, engine_process
from tests.e2e.test_moved_topics import until


def test_a_task_that_ran_is_taken_up_as_after_a_crash(tmp_path: Path) -> None:
    with engine_process(tmp_path / "here") as engine, rest(engine.url) as client:
        task = client.post("/api/v1/tasks", json={"agent": "patient", "prompt": "wait"}).json()["id"]
        with event_stream(client, "task", task, "0") as events:
            assert stream_until(events, "agent.message")
        told = engine.run("export", task, "--output", str(tmp_path / "moved.jsonl"))
        client.post(f"/api/v1/tasks/{task}/cancel").raise_for_status()
    assert told.stderr == f"{task} has not ended: where it is imported it is taken up as after a crash.\n"
    assert json.loads((tmp_path / "moved.jsonl").read_bytes().partition(b"\n")[0])["unfinished"] == [task]
    (tmp_path / "there").mkdir()
    engine.run("import", str(tmp_path / "moved.jsonl"), cwd=tmp_path / "there")
    with engine_process(tmp_path / "there") as engine, rest(engine.url) as client:
        with event_stream(client, "task", task, "0") as events:
            last = stream_until(events)[-1]
        assert (last["event_type"], last["data"]["cause"]) == ("task.failed", "interrupted")
        assert client.get(f"/api/v1/tasks/{task}").json()["state"] == "failed"


def test_an_imported_task_is_news_to_those_who_are_told_of_all_of_their_user_s(tmp_path: Path) -> None:
    with engine_process(tmp_path / "here") as engine, rest(engine.url) as client:
        moved = client.post("/api/v1/tasks", json={"agent": "offline", "prompt": "what is 6*7?"}).json()["id"]
        with event_stream(client, "task", moved, "0") as events:
            stream_until(events)
        engine.run("export", moved, "--output", str(tmp_path / "moved.jsonl"))
    with engine_process(tmp_path / "there") as engine:
        url = engine.url.replace("http", "ws", 1) + "/ws"
        with connect(url, proxy=None, close_timeout=PATIENCE) as steps:
            steps.send(json.dumps({"type": "task:submit", "data": {"task": "what is 7*7?"}}))
            last = until(steps, "task:complete")[-1]["eventId"]
    engine.run("import", str(tmp_path / "moved.jsonl"))
    with engine_process(tmp_path / "there") as engine:
        url = engine.url.replace("http", "ws", 1) + f"/ws?lastEventId={last}"
        with connect(url, proxy=None, close_timeout=PATIENCE) as steps:
            assert until(steps, "connected")[-1]["data"]["recovered"] is True
            told = until(steps, "task:complete")
        assert told[-1]["data"]["taskId"] == moved
        assert told[-1]["eventId"].partition(":")[0] == last.partition(":")[0]
