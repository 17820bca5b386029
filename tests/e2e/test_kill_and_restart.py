"""An engine that is killed with -9 and started again: what clients were answered is there, and every task ends."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.clients import event_stream, gateway_socket, rest, stream_until
from tests.e2e.engine_process import EngineProcess, engine_process

CONFIG = "[auth]\nrequired = false\n"


def kill(engine: EngineProcess) -> None:
    engine.signal(signal.SIGKILL)
    assert engine.wait() == -signal.SIGKILL


def create(api: httpx2.Client, agent: str, prompt: str, **more: object) -> str:
    answer = api.post("/api/v1/tasks", json={"agent": agent, "prompt": prompt, **more})
    assert answer.status_code == 201, answer.text
    task_id: str = answer.json()["id"]
    return task_id


def ended(api: httpx2.Client, task_id: str) -> list[dict[str, Any]]:
    """All events of a task, once it has ended."""
    with event_stream(api, "task", task_id, "0") as events:
        return stream_until(events)


def said(events: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """The whole text and the last event, however the pieces came together."""
    pieces = [event["data"]["content"] for event in events if event["event_type"] == "agent.message"]
    return "".join(pieces), events[-1]


def test_whatever_was_answered_is_there(tmp_path: Path) -> None:
    with engine_process(tmp_path, CONFIG) as engine, rest(engine.url) as api:
        port = engine.port
        session = api.post("/api/v1/sessions", json={"title": "T", "agent": "burst"}).json()["id"]
        done = create(api, "burst", "3", session_id=session)
        before = ended(api, done)
        running = create(api, "asking", "s1", session_id=session)
        waiting = create(api, "burst", "2", session_id=session)
        with gateway_socket(engine.socket_url) as client:
            client.subscribe("task", running)
            client.events_until("step.confirm")
        event = {"channel": "app", "topic": "news", "event_type": "news", "data": 1, "idempotency_key": "k"}
        told = api.post("/api/v1/publish", json=event).json()
        kill(engine)
    with engine_process(tmp_path, CONFIG, port=port) as engine, rest(engine.url) as api:
        assert said(ended(api, done)) == said(before)
        last = ended(api, running)[-1]
        assert (last["event_type"], last["data"]["cause"]) == ("task.failed", "interrupted")
        assert ended(api, waiting)[-1]["event_type"] == "task.completed"
        messages = api.get(f"/api/v1/sessions/{session}/messages").json()["messages"]
        assert [one["content"] for one in messages] == ["3", "3 pieces", "s1", "2", "2 pieces"]
        again = api.post("/api/v1/publish", json=event).json()
        assert again == {**told, "duplicate": True}
        tasks = api.get("/api/v1/tasks").json()["tasks"]
        assert [one["id"] for one in tasks] == [waiting, running, done]


def test_a_resumable_agent_goes_on(tmp_path: Path) -> None:
    port = 0
    for life in range(3):
        with engine_process(tmp_path, CONFIG, port=port) as engine, rest(engine.url) as api:
            port = engine.port
            if life == 0:
                task_id = create(api, "steady", "work")
            with event_stream(api, "task", task_id, "0") as events:
                pieces = 0
                while pieces <= life:
                    pieces += next(events)["event_type"] == "agent.message"
            kill(engine)
    (tmp_path / "go").touch()
    with engine_process(tmp_path, CONFIG, port=port) as engine, rest(engine.url) as api:
        told = ended(api, task_id)
    assert told[-1]["data"]["result"] == "work in 4 runs"
    assert [event["event_type"] for event in told].count("task.resumed") == 3
    assert (tmp_path / "begun.txt").read_text() == "work\n"
