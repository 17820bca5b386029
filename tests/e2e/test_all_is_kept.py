"""Everything that clients have brought, in every dialect, read before a kill with -9 and after it: it is the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.clients import event_stream, gateway_socket, rest, stream_until
from tests.e2e.engine_process import EngineProcess, engine_process
from tests.e2e.test_kept_dialects import answers, ask, numbered, socket, told, until
from tests.support.wallets import Wallet

CONFIG = """
[auth]
required = true
[pipelines.support]
uuid = "support"
agent = "offline"
members = ["alice"]
moderators = ["alice"]
"""
ROOM = "/api/v1/pipelines/support/ws"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(50_000)
ANSWERED = {"step_id": "s1", "approved": True}
NEWS = {"channel": "app", "topic": "news", "event_type": "news", "data": {"n": 1}, "idempotency_key": "n/1"}
POSTED = {"events": [{"event_type": "agent.message", "data": {"content": "found"}}], "idempotency_key": "p/1"}


class Clients:
    """All that write and read: by their API keys, and a wallet by its own key."""

    def __init__(self, engine: EngineProcess) -> None:
        self.alice = engine.token("alice", "publish")
        self.olga = engine.token("olga", "agent")
        self.wallet = Wallet(21)
        self.wallet_key = engine.token(self.wallet.public_key)
        self.session = self.task = self.asked = self.batch = self.picture = ""
        self.steps: list[str] = []

    def write(self, engine: EngineProcess) -> None:
        with rest(engine.url, self.alice) as alice, rest(engine.url, self.olga) as olga:
            self._converse(engine, alice)
            self._ask_elsewhere(alice, olga)
            self._enter_room(engine, alice)
            self._join_lobby(engine)
            self._follow_steps(engine)
            self.batch = post(alice, "/api/v1/batches", {"tasks": [{"agent": "burst", "prompt": "1"}] * 2})["id"]
            post(alice, "/api/v1/publish", NEWS)
            self._wait_for_ends(alice)
        self._leave_wallet(engine)

    def read(self, engine: EngineProcess) -> dict[str, Any]:
        """What the engine says of all of it. What asks again for something that was done once changes nothing."""
        with rest(engine.url, self.alice) as alice, rest(engine.url, self.olga) as olga:
            tasks = get(alice, "/api/v1/tasks")["tasks"]
            topics = {f"task/{one['id']}" for one in tasks}
            topics |= {f"session/{self.session}", "app/news", "room/lobby", "system/tasks"}
            late = alice.post(f"/api/v1/tasks/{self.asked}/confirm", json=ANSWERED)
            assert late.status_code == 409
            published = post(alice, "/api/v1/publish", NEWS)
            assert published["duplicate"]
            return {
                "tasks": tasks,
                "topics": {topic: get(alice, f"/api/v1/channels/{topic}/history?limit=1000") for topic in topics},
                "board": get(olga, "/api/v1/channels/agent/walker/history"),
                "agents": [one for one in get(alice, "/api/v1/agents")["agents"] if one["remote"]],
                "sessions": get(alice, "/api/v1/sessions"),
                "messages": get(alice, f"/api/v1/sessions/{self.session}/messages"),
                "batch": get(alice, f"/api/v1/batches/{self.batch}"),
                "room": get(alice, f"{ROOM}/messages/group"),
                "members": [one["user_id"] for one in get(alice, f"{ROOM}/members")["data"]["members"]],
                "picture": alice.get(self.picture).raise_for_status().content,
                "late answer": late.json(),
                "published": published,
                "posted": post(olga, f"/api/v1/tasks/{self.asked}/events", POSTED)["position"],
            }

    def read_what_was_missed(self, engine: EngineProcess) -> None:
        """Once: to be heard is to be heard."""
        with socket(engine, "/api/ws", self.wallet.proof()) as heard:
            missed = answers(heard, 1)
            assert len(missed) == 2
            assert "49" in missed[1]
        path = f"/ws?lastEventId={self.steps[0]}"
        with socket(engine, path, {"Authorization": f"Bearer {self.alice}"}) as steps:
            assert told(steps)["data"]["recovered"] is True
            assert numbered(until(steps, "task:complete"))[-1] in self.steps
        with gateway_socket(engine.socket_url, self.alice) as gateway:
            where = {self.task: self.first}
            started = gateway.subscribe("task", self.task, since=where)["positions"][self.task]
            assert started["recovered"] is True
            assert gateway.events_until()[0]["offset"] == 2

    def _converse(self, engine: EngineProcess, alice: httpx2.Client) -> None:
        self.session = post(alice, "/api/v1/sessions", {"title": "Arithmetic"})["id"]
        self.task = post(alice, "/api/v1/tasks", task("what is 6*7?", self.session))["id"]
        with event_stream(alice, "task", self.task, "0") as events:
            first = stream_until(events)[0]
        self.first = f"{first['epoch']}:1"

    def _ask_elsewhere(self, alice: httpx2.Client, olga: httpx2.Client) -> None:
        """A question is answered, and one stays open."""
        post(olga, "/api/v1/agents", {"name": "walker", "description": "Walks."})
        self.asked = post(alice, "/api/v1/tasks", {"agent": "walker", "prompt": "Walk on."})["id"]
        post(olga, f"/api/v1/tasks/{self.asked}/claim", {})
        questions = [{"event_type": "step.confirm", "data": {"step_id": name, "reason": "?"}} for name in ("s1", "s2")]
        post(olga, f"/api/v1/tasks/{self.asked}/events", {"events": questions})
        post(olga, f"/api/v1/tasks/{self.asked}/events", POSTED)
        post(alice, f"/api/v1/tasks/{self.asked}/confirm", ANSWERED)

    def _enter_room(self, engine: EngineProcess, alice: httpx2.Client) -> None:
        post(alice, f"{ROOM}/members", {"user_id": "bob"})
        path = f"{ROOM}/uploads?session_type=group"
        brought = alice.post(path, params={"name": "a.png"}, content=PICTURE).raise_for_status()
        self.picture = brought.json()["data"]["url"]
        headers = {"Authorization": f"Bearer {self.alice}"}
        with socket(engine, f"{ROOM}/connect?session_type=group", headers) as room:
            room.send(json.dumps({"type": "message", "message": [{"type": "Plain", "text": "what is 6*7?"}]}))
            while not ((message := told(room))["type"] == "response" and message["data"]["is_final"]):
                pass
            room.send(json.dumps({"type": "read", "message_id": 2}))
            assert until(room, "read")[-1]["data"]["message_id"] == 2

    def _join_lobby(self, engine: EngineProcess) -> None:
        with socket(engine, "/ws/agent", {"Authorization": f"Bearer {self.alice}"}) as agent:
            until(agent, "connected")
            for frame in ({"type": "room_join"}, {"type": "room_message", "content": "kept"}):
                agent.send(json.dumps({**frame, "room": "lobby"}))
            assert until(agent, "room_message")[-1]["content"] == "kept"

    def _follow_steps(self, engine: EngineProcess) -> None:
        with socket(engine, "/ws", {"Authorization": f"Bearer {self.alice}"}) as steps:
            steps.send(json.dumps({"type": "task:submit", "data": {"task": "what is 8*7?"}}))
            self.steps = numbered(until(steps, "task:complete"))

    def _wait_for_ends(self, alice: httpx2.Client) -> None:
        for one in get(alice, "/api/v1/tasks")["tasks"]:
            if one["id"] != self.asked:
                with event_stream(alice, "task", one["id"], "0") as events:
                    stream_until(events)

    def _leave_wallet(self, engine: EngineProcess) -> None:
        """It hears of one answer; the next one comes while it is away."""
        with rest(engine.url, self.wallet_key) as api:
            session = post(api, "/api/v1/sessions", {"title": "Wallet"})["id"]
            with event_stream(api, "session", session) as events:
                with socket(engine, "/api/ws", self.wallet.proof()) as heard:
                    ask(api, session, "what is 6*7?")
                    assert "42" in answers(heard, 1)[-1]
                stream_until(events, "done")
                ask(api, session, "what is 7*7?")
                stream_until(events, "done")


def task(prompt: str, session: str) -> dict[str, str]:
    return {"agent": "offline", "prompt": prompt, "session_id": session}


def post(client: httpx2.Client, path: str, body: object) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def get(client: httpx2.Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.is_success, (path, answer.text)
    found: dict[str, Any] = answer.json()
    return found


def test_all_that_was_brought_is_there_after_a_kill(tmp_path: Path) -> None:
    with engine_process(tmp_path, CONFIG) as engine:
        clients = Clients(engine)
        clients.write(engine)
        before = clients.read(engine)
        engine.kill()
    for life in (2, 3):
        with engine_process(tmp_path, CONFIG) as engine:
            after = clients.read(engine)
            for name, found in before.items():
                assert after[name] == found, name
            if life == 2:
                engine.kill()
            else:
                clients.read_what_was_missed(engine)
