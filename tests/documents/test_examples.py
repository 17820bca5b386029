"""What the documents show on the wire: every frame of a client is sent, every one of a server held against ours.

Each test goes through all the examples of its document, in the order of a conversation, and leaves none.
"""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.documents.examples import Examples, assert_like, wire
from tests.e2e.clients import rest
from tests.e2e.engine_process import EngineProcess
from tests.support.wallets import Wallet

pytestmark = pytest.mark.needs_seeds


def test_the_gateway(engine: EngineProcess) -> None:
    key = engine.token("user-123")
    with rest(engine.url, key) as api, wire(engine.socket_url) as client:
        task_id = api.post("/api/v1/tasks", json={"agent": "patient", "prompt": "hello"}).json()["id"]
        examples = Examples("000", {"ab_xxx...": key, "task-123": task_id})
        envelope = examples.take("subscribe")
        client.send(examples.take("auth"))
        authenticated = examples.take("auth.result")
        assert client.until(authenticated)["payload"] == authenticated["payload"]
        client.send({**envelope, "payload": {"channel": "app"}})
        assert client.until({"type": "subscribed"})["id"] == envelope["id"]

        for channel in ("task", "system"):
            asked = examples.take("subscribe")
            client.send(asked)
            subscribed = client.until({"type": "subscribed"})["payload"]
            assert (subscribed["channel"], subscribed["success"]) == (channel, True)
            assert subscribed["topics"] == asked["payload"]["topics"]
        ping, pong = examples.take("ping"), examples.take("pong")
        client.send(ping)
        client.until(pong)

        cancel, append = examples.take("task.action"), examples.take("task.action")
        client.send(append)
        assert client.until({"type": "task.result"})["payload"]["success"]
        prompt = append["payload"]["data"]
        told = client.until(
            examples.take("event"),
            lambda frame: (
                frame["payload"]["event_type"] == "agent.message" and prompt in frame["payload"]["data"]["content"]
            ),
        )
        assert told["payload"]["topic"] == task_id
        client.send(examples.take("unsubscribe"))
        assert client.until({"type": "unsubscribed"})["payload"]["success"]
        client.send(cancel)
        assert client.until({"type": "task.result"})["payload"]["success"]
    assert examples.left == []


def test_the_agent(engine: EngineProcess) -> None:
    examples = Examples("001")
    with wire("ws://localhost:8003/ws/agent") as client:
        connected = examples.take("connected")
        assert client.until(connected)["message"] == connected["message"]
        client.send(examples.take("ping"))
        client.until(examples.take("pong"))

        client.send(examples.take("agent_query"))
        status = examples.take("status")
        assert client.until(status)["status"] == status["status"]
        assert "characters" in client.until(examples.take("agent_response"))["content"]

        client.send(examples.take("streaming_query"))
        for kind in ("stream_start", "stream_chunk", "stream_end"):
            client.until(examples.take(kind))

        client.send(examples.take("tool_call"))
        result = examples.take("tool_result")
        assert client.until(result)["result"] == result["result"]
        client.send({"type": "agent_query"})
        refused = examples.take("error")
        assert client.until(refused)["error"] == refused["error"]
        client.send(examples.take("cancel"))
        client.until(examples.take("cancelled"))

        statistics = httpx2.get("http://localhost:8003/ws/statistics", trust_env=False).json()
        assert_like(statistics, examples.take())
    assert examples.left == []


def test_the_steps(engine: EngineProcess) -> None:
    examples = Examples("002")
    with wire("ws://localhost:8080/ws") as client:
        client.until(examples.take("connected"))
        client.until(examples.take("status"))
        client.send(examples.take("get:tools"))
        assert client.until({"type": "tools:list"})["data"]["tools"]

        submit, cancel, confirm = (examples.take(kind) for kind in ("task:submit", "task:cancel", "step:confirm"))
        client.send(confirm)
        client.until(examples.take("error"))
        submit["data"]["task"] = "Please confirm: count to 3."
        client.send(submit)
        plan = client.until(examples.take("plan:created"))["data"]["plan"]
        assert [step["name"] for step in plan["steps"]] == ["Ask for confirmation", "Count", "Write the report"]
        client.until(examples.take("step:start"))
        confirm["data"]["stepId"] = client.until({"type": "waiting:confirmation"})["data"]["stepId"]
        client.send(confirm)
        for kind in ("step:complete", "step:progress", "task:complete"):
            told = client.until(examples.take(kind))
        assert told["data"]["success"]

        submit["data"]["task"] = "Slowly count to 100."
        client.send(submit)
        client.until({"type": "plan:created"})
        client.send(cancel)
        assert client.until({"type": "task:complete"})["data"]["cancelled"]
    assert examples.left == []


def test_the_pipelines(engine: EngineProcess) -> None:
    examples = Examples("003")
    base = "/api/v1/pipelines/your-pipeline-uuid/ws"
    with (
        httpx2.Client(base_url="http://localhost:8000", trust_env=False) as api,
        wire(f"ws://localhost:8000{base}/connect?session_type=person") as client,
    ):
        connected = examples.take("connected")
        greeting = client.until(connected)
        for name in ("pipeline_uuid", "session_type"):
            assert greeting[name] == connected[name]
        client.send(examples.take("message"))
        first = client.until(examples.take("response"))["data"]
        last = first
        while not last["is_final"]:
            last = client.until({"type": "response"})["data"]
        assert (last["id"], last["role"], last["connection_id"]) == (first["id"], "assistant", first["connection_id"])
        assert last["message_chain"] == [{"type": "Plain", "text": last["content"]}]
        client.send(examples.take("ping"))
        client.until(examples.take("pong"))

        told = {"message": "这是一条广播消息"}
        answers = [
            api.get(f"{base}/messages/person"),
            api.post(f"{base}/reset/person"),
            api.get(f"{base}/connections"),
            api.post(f"{base}/broadcast", json=told),
        ]
        wanted: list[Any] = [examples.take() for _ in answers]
        # The counts are of pipelines of its own.
        wanted[2]["data"]["stats"]["connections_by_pipeline"] = {"your-pipeline-uuid": 1}
        for answer, example in zip(answers, wanted, strict=True):
            assert_like(answer.json(), example)
        for number in (1, 3):
            assert answers[number].json() == wanted[number]
        broadcast = examples.take("broadcast")
        assert client.until(broadcast)["message"] == broadcast["message"]

        client.send({"type": "no such thing"})
        client.until(examples.take("error"))
        client.send(examples.take("disconnect"))
    assert examples.left == []


def test_the_wallets(engine: EngineProcess) -> None:
    wallet = Wallet(6)
    examples = Examples("004", {"<wallet_address>": wallet.public_key})
    with (
        httpx2.Client(base_url="http://localhost:12000", headers=wallet.headers(), trust_env=False) as api,
        wire("ws://localhost:12000/api/ws", wallet.headers()) as client,
    ):
        established = examples.take("connection_established")
        assert client.until(established) == established
        conversation = api.post("/api/conversations", json={"title": "t"}).json()["id"]
        api.post(f"/api/conversations/{conversation}/messages", json={"content": "6*7"}).raise_for_status()
        message = client.until(examples.take("new_message"))["message"]
        assert (message["role"], message["content"]) == ("user", [{"type": "text", "text": "6*7"}])
        # Only at its end has a task all that the example shows.
        told = client.until(examples.take("task_update"), lambda frame: frame["task"]["status"]["state"] == "completed")
        assert told["conversation_id"] == told["task"]["sessionId"] == conversation
        ping, pong = examples.take("ping"), examples.take("pong")
        client.send({**ping, "timestamp": pong["timestamp"]})
        assert client.until(pong) == pong
    assert examples.left == []
