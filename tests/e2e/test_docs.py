"""The documentation that an engine serves of itself: it needs no network, and what it shows works."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.e2e.clients import event_stream, rest, stream_until
from tests.e2e.conftest import Token
from tests.e2e.engine_process import EngineProcess
from tests.support.wallets import Wallet


@pytest.fixture
def api(engine: EngineProcess, token: Token) -> Iterator[httpx2.Client]:
    with rest(engine.url, token("writer", "agent", "publish")) as client:
        yield client


@pytest.fixture
def document(api: httpx2.Client) -> dict[str, Any]:
    answer = api.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    decoded: dict[str, Any] = answer.json()
    return decoded


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_and_all_that_it_loads_come_from_here(api: httpx2.Client, path: str) -> None:
    page = api.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for link in re.findall(r'(?:src|href)="([^"#]+)"', page.text):
        assert link.startswith(("/", "data:")), link
        if link.startswith("/"):
            assert api.get(link).status_code == 200, link


def test_every_example_of_a_request_works(
    engine: EngineProcess, token: Token, api: httpx2.Client, document: dict[str, Any]
) -> None:
    examples = {
        path: operation["post"]["requestBody"]["content"]["application/json"]["example"]
        for path, operation in document["paths"].items()
        if "application/json" in operation.get("post", {}).get("requestBody", {}).get("content", {})
    }
    sent: set[str] = set()

    def post(path: str, changes: dict[str, str] | None = None, by: httpx2.Client = api, **names: str) -> dict[str, Any]:
        sent.add(path)
        answer = by.post(path.format(**names), json={**examples[path], **(changes or {})}, headers=Wallet(1).proof())
        assert str(answer.status_code) in document["paths"][path]["post"]["responses"], answer.text
        assert answer.is_success, answer.text
        decoded: dict[str, Any] = answer.json()
        return decoded

    def start(agent: str, prompt: str) -> dict[str, Any]:
        task: dict[str, Any] = api.post("/api/v1/tasks", json={"agent": agent, "prompt": prompt}).json()
        return task

    def last_event(task: dict[str, Any], *last: str) -> dict[str, Any]:
        with event_stream(api, "task", task["id"], task["position"]) as events:
            return stream_until(events, *last)[-1]

    one = "/api/v1/tasks/{task_id}"
    assert "42" in last_event(post("/api/v1/tasks"))["data"]["result"]
    assert post("/api/v1/batches")["task_ids"]
    assert post("/api/v1/sessions")["title"] == examples["/api/v1/sessions"]["title"]
    assert post("/api/v1/publish")["position"]
    pipeline = "/api/v1/pipelines/{pipeline_uuid}/ws"
    assert post(f"{pipeline}/broadcast", pipeline_uuid="p1")["code"] == 0
    with rest(engine.url, token("moderator", "admin")) as admin:
        assert post(f"{pipeline}/members", by=admin, pipeline_uuid="p1")["data"]["members"][0]["user_id"] == "ann"
        assert post(f"{pipeline}/members/remove", by=admin, pipeline_uuid="p1")["code"] == 0

    patient = start("patient", "wait")
    last_event(patient, "agent.message")
    assert post(f"{one}/turns", task_id=patient["id"])["turn"] == 2
    last_event(patient, "task.turn_started")

    asking = start("asking", examples[f"{one}/confirm"]["step_id"])
    last_event(asking, "step.confirm")
    post(f"{one}/confirm", task_id=asking["id"])
    assert last_event(asking)["data"]["result"] == "yes"

    device = start("offline", "ask my device for the clipboard")
    last_event(device, "agent.client_tool_call")
    post(f"{one}/tool-results", task_id=device["id"])
    assert "clipboard" in last_event(device)["data"]["result"]

    elsewhere = start(post("/api/v1/agents")["name"], "find it")
    assert api.post(f"{one}/claim".format(task_id=elsewhere["id"])).status_code == 200
    post(f"{one}/events", task_id=elsewhere["id"])
    assert last_event(elsewhere)["event_type"] == "task.completed"

    with api.stream("GET", "/sse") as stream:
        lines = stream.iter_lines()
        while not (connected := next(lines)).startswith("data: "):
            pass
        client = {"clientId": json.loads(connected.removeprefix("data: "))["data"]["clientId"]}
        assert post("/task", client)["success"]
        assert post("/command", {**client, "type": "get:tools"})["success"]

    messages = "/api/conversations/{conversation_id}/messages"

    def converse(agent: str, content: str) -> str:
        conversation: str = post("/api/conversations", {"agent": agent})["id"]
        task_id: str = post(messages, {"content": content}, conversation_id=conversation)["task_id"]
        return task_id

    def state(task_id: str) -> str:
        answer = api.get(f"/api/tasks/{task_id}", headers=Wallet(1).proof())
        found: str = answer.json()["task"]["status"]["state"]
        return found

    assert post("/api/tasks/{task_id}/messages", task_id=converse("patient", "wait"))["task_id"]
    confirm = "/api/tasks/{task_id}/confirm"
    asking_wallet = converse("asking", examples[confirm]["step_id"])
    while state(asking_wallet) != "input-required":
        pass
    assert post(confirm, task_id=asking_wallet)["task"]["id"] == asking_wallet
    calling_wallet = converse("offline", "ask my device for a signature")
    while state(calling_wallet) != "input-required":
        pass
    assert post("/api/tasks/{task_id}/tool-results", task_id=calling_wallet)["task"]["id"] == calling_wallet
    assert sent == examples.keys()


def test_every_get_answers_as_documented(api: httpx2.Client, document: dict[str, Any]) -> None:
    paths = [path for path, operations in document["paths"].items() if "get" in operations and "{" not in path]
    statuses: dict[str, int] = {}
    for path in paths:
        # One that is a stream has no end.
        with api.stream("GET", path, headers=Wallet(1).proof()) as answer:
            statuses[path] = answer.status_code
    assert statuses == {path: 403 if "/admin/" in path else 200 for path in paths}
