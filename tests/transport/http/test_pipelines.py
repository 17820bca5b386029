from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.commands import ExecSession
from tests.support.world import ADMIN
from tests.transport.http.site import Site, open_site, read
from transport.http.services import HttpOptions
from transport.pipeline_groups import KnownPipeline
from transport.pipelines import Pipelines, PipelinesOptions

BASE = "/api/v1/pipelines/your-pipeline-uuid/ws"


async def chat(site: Site, text: str, session_type: str = "person") -> None:
    """Has the owner of the room say something, by another dialect."""
    key = f"pipeline {session_type} your-pipeline-uuid"
    if not site.world.sessions.keyed(key):
        await site.get(f"{BASE}/messages/{session_type}")
    session = site.world.sessions.keyed(key)[0]
    await site.world.router.exec_session(ADMIN, ExecSession(session.id, text))
    await wait_all_tasks_blocked()


async def test_history_of_both_types_is_apart_and_numbered(site: Site) -> None:
    await chat(site, "one")
    await chat(site, "two")
    await chat(site, "to all", "group")
    answer = await site.get(f"{BASE}/messages/person")
    assert (answer["code"], answer["msg"]) == (0, "ok")
    told = [(one["id"], one["role"], one["content"]) for one in answer["data"]["messages"]]
    assert told == [(1, "user", "one"), (2, "assistant", "ONE"), (3, "user", "two"), (4, "assistant", "TWO")]
    group = (await site.get(f"{BASE}/messages/group"))["data"]["messages"]
    assert [one["content"] for one in group] == ["to all", "TO ALL"]


async def test_a_reset_forgets_and_numbers_from_one_again(site: Site) -> None:
    await chat(site, "one")
    assert await site.post(f"{BASE}/reset/person") == {
        "code": 0,
        "msg": "ok",
        "data": {"message": "Session reset successfully"},
    }
    assert (await site.get(f"{BASE}/messages/person"))["data"]["messages"] == []
    await chat(site, "again")
    assert [one["id"] for one in (await site.get(f"{BASE}/messages/person"))["data"]["messages"]] == [1, 2]


async def test_the_seed_s_answers_of_broadcast_and_connections(site: Site) -> None:
    told = await site.post(f"{BASE}/broadcast", {"message": "这是一条广播消息"}, user="p")
    assert told == {"code": 0, "msg": "ok", "data": {"message": "Broadcast sent successfully"}}
    assert await site.get(f"{BASE}/connections") == {
        "code": 0,
        "msg": "ok",
        "data": {
            "stats": {
                "total_connections": 0,
                "pipelines": 0,
                "connections_by_pipeline": {},
                "connections_by_session_type": {"person": 0, "group": 0},
            },
            "connections": [],
        },
    }


@pytest.mark.parametrize("path", ["messages/crowd", "reset/crowd"])
async def test_a_session_type_is_person_or_group(site: Site, path: str) -> None:
    ask = site.get if path.startswith("messages") else site.post
    assert await ask(f"{BASE}/{path}", status=400) == {"code": -1, "msg": "session_type must be person or group"}


@pytest.mark.parametrize("body", [{}, {"message": ""}, {"message": " "}])
async def test_an_empty_broadcast_is_refused(site: Site, body: dict[str, str]) -> None:
    refused = await site.post(f"{BASE}/broadcast", body, user="p", status=400)
    assert refused == {"code": -1, "msg": "message is required"}


async def test_broadcasting_needs_its_scope(site: Site) -> None:
    assert (await site.post(f"{BASE}/broadcast", {"message": "x"}, status=403))["code"] == -1


async def test_with_a_list_of_pipelines_others_are_not_there(nursery: trio.Nursery) -> None:
    site = open_site(nursery, pipelines=PipelinesOptions(known=(KnownPipeline(uuid="mine", members=("bob",)),)))
    for path in ("messages/person", "connections"):
        refused = await site.get(f"{BASE}/{path}", status=404)
        assert refused == {"code": -1, "msg": "pipeline not found"}
    assert (await site.get("/api/v1/pipelines/mine/ws/messages/person"))["code"] == 0
    assert (await site.get("/api/v1/pipelines/mine/ws/messages/group", status=403))["code"] == -1
    assert (await site.get("/api/v1/pipelines/mine/ws/messages/group", user="b"))["code"] == 0
    assert (await site.get("/api/v1/pipelines/mine/ws/members", user="b"))["data"] == {
        "open": False,
        "members": [{"user_id": "bob", "moderator": False, "online": False}],
    }
    assert (await site.get("/api/v1/pipelines/mine/ws/members", status=403))["code"] == -1


async def test_what_is_refused_before_it_is_read_has_the_same_form(nursery: trio.Nursery) -> None:
    site = open_site(nursery, options=HttpOptions(body_bytes=1000))
    for status, body, headers in (
        (413, b" " * 1001, {}),
        (415, b"{}", {"Content-Encoding": "gzip"}),
        (403, b"{}", {"Origin": "https://strange.example"}),
    ):
        refused = await read(await site.request("POST", f"{BASE}/broadcast", data=body, headers=headers), status)
        assert (set(refused), refused["code"]) == ({"code", "msg"}, -1)


async def test_so_has_what_fails(site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(*_: object) -> None:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("broken")

    monkeypatch.setattr(Pipelines, "broadcast", fail)
    failed = await site.post(f"{BASE}/broadcast", {"message": "x"}, user="p", status=500)
    assert failed == {"code": -1, "msg": "the engine failed to answer; it has logged why"}
    assert "broken" in caplog.text
