from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from tests.transport.http.site import Site


async def test_a_task_is_created_read_and_ends(autojump_clock: trio.abc.Clock, site: Site) -> None:
    created = await site.post("/api/v1/tasks", {"agent": "echo", "prompt": "hi", "later_field": 1}, status=201)
    assert (created["agent"], created["prompt"], created["state"], created["user_id"]) == (
        "echo",
        "hi",
        "queued",
        "alice",
    )
    epoch, offset = created["position"].split(":")
    assert (len(epoch), offset) == (10, "0")
    await wait_all_tasks_blocked()
    ended = await site.get(f"/api/v1/tasks/{created['id']}")
    assert (ended["state"], ended["result"], ended["turns"]) == ("completed", "HI", 1)


async def test_what_was_created_is_found_where_it_says(autojump_clock: trio.abc.Clock, site: Site) -> None:
    response = await site.request("POST", "/api/v1/tasks", data=b'{"agent": "echo", "prompt": "hi"}')
    found = await site.get(response.headers["Location"])
    assert found["prompt"] == "hi"


async def test_an_unknown_agent_or_session_starts_nothing(autojump_clock: trio.abc.Clock, site: Site) -> None:
    refused = await site.post("/api/v1/tasks", {"agent": "nobody", "prompt": "hi"}, status=404)
    assert refused["error"] == {"code": "NOT_FOUND", "message": "no agent 'nobody'"}
    await site.post("/api/v1/tasks", {"agent": "echo", "prompt": "hi", "session_id": "session-0"}, status=404)
    assert (await site.get("/api/v1/tasks"))["tasks"] == []


async def test_tasks_are_listed_newest_first_in_pages(autojump_clock: trio.abc.Clock, site: Site) -> None:
    made = [(await site.task("echo", str(number)))["id"] for number in range(5)]
    seen: list[str] = []
    after = ""
    for _ in range(3):
        page = await site.get(f"/api/v1/tasks?state=&session_id=&after={after}&limit=2")
        seen += [task["id"] for task in page["tasks"]]
        after = page["next"]
    assert seen == made[::-1]
    assert after is None


async def test_tasks_are_filtered_by_state_and_session(autojump_clock: trio.abc.Clock, site: Site) -> None:
    session = await site.post("/api/v1/sessions", status=201)
    waiting = await site.task("patient")
    spoken = await site.task("echo", session_id=session["id"])
    await wait_all_tasks_blocked()
    assert [task["id"] for task in (await site.get("/api/v1/tasks?state=waiting"))["tasks"]] == [waiting["id"]]
    by_session = await site.get(f"/api/v1/tasks?session_id={session['id']}")
    assert [task["id"] for task in by_session["tasks"]] == [spoken["id"]]
    assert "$.state" in (await site.get("/api/v1/tasks?state=asleep", status=400))["error"]["message"]
    assert "$.limit" in (await site.get("/api/v1/tasks?limit=0", status=400))["error"]["message"]


async def test_cancelling_twice_is_cancelling_once(autojump_clock: trio.abc.Clock, site: Site) -> None:
    task = await site.task("patient")
    await wait_all_tasks_blocked()
    first = await site.post(f"/api/v1/tasks/{task['id']}/cancel", status=202)
    assert (first["task"]["state"], first["cancel_requested"]) == ("cancelling", True)
    await wait_all_tasks_blocked()
    again = await site.post(f"/api/v1/tasks/{task['id']}/cancel", status=200)
    assert again["task"]["state"] == "cancelled"
    epoch, offset = again["position"].split(":")
    assert epoch == task["position"].split(":")[0]
    assert int(offset) == (await site.get(f"/api/v1/channels/task/{task['id']}/history"))["events"][-1]["offset"]


async def test_a_turn_is_appended_while_the_task_runs(autojump_clock: trio.abc.Clock, site: Site) -> None:
    task = await site.task("patient")
    await wait_all_tasks_blocked()
    receipt = await site.post(f"/api/v1/tasks/{task['id']}/turns", {"prompt": "more"}, status=202)
    assert receipt["turn"] == 2
    await wait_all_tasks_blocked()
    assert (await site.get(f"/api/v1/tasks/{task['id']}"))["result"] == "more"
    refused = await site.post(f"/api/v1/tasks/{task['id']}/turns", {"prompt": "even more"}, status=409)
    assert refused["error"]["code"] == "CONFLICT"


async def test_a_step_is_confirmed_once(autojump_clock: trio.abc.Clock, site: Site) -> None:
    task = await site.task("asking")
    await wait_all_tasks_blocked()
    path = f"/api/v1/tasks/{task['id']}/confirm"
    await site.post(path, {"step_id": "s9", "approved": True}, status=404)
    await site.post(path, {"step_id": "s1", "approved": True})
    await wait_all_tasks_blocked()
    assert (await site.get(f"/api/v1/tasks/{task['id']}"))["result"] == "yes"
    late = (await site.post(path, {"step_id": "s1", "approved": False}, status=409))["error"]
    assert (late["code"], late["details"]["answered_by"], late["details"]["approved"]) == ("CONFLICT", "alice", True)


async def test_a_tool_call_is_answered_once(autojump_clock: trio.abc.Clock, site: Site) -> None:
    task = await site.task("calling")
    await wait_all_tasks_blocked()
    path = f"/api/v1/tasks/{task['id']}/tool-results"
    for body in ({"call_id": "call-1"}, {"call_id": "call-1", "result": 1, "error": "x"}, {"result": 1}):
        await site.post(path, body, status=400)
    await site.post(path, {"call_id": "call-9", "result": 1}, status=404)
    await site.post(path, {"call_id": "call-1", "result": "x" * 1_000}, status=413)
    await site.post(path, {"call_id": "call-1", "result": {"text": "hello"}})
    await wait_all_tasks_blocked()
    assert (await site.get(f"/api/v1/tasks/{task['id']}"))["result"] == "got {'text': 'hello'}"
    late = (await site.post(path, {"call_id": "call-1", "error": "busy"}, status=409))["error"]
    assert (late["details"]["answered_by"], late["details"]["success"]) == ("alice", True)


async def test_two_users_never_see_each_other_and_an_admin_sees_all(autojump_clock: trio.abc.Clock, site: Site) -> None:
    task = await site.task("patient")
    await wait_all_tasks_blocked()
    path = f"/api/v1/tasks/{task['id']}"
    assert (await site.get("/api/v1/tasks", user="b"))["tasks"] == []
    answers = [
        await site.get(path, user="b", status=404),
        await site.get(f"/api/v1/channels/task/{task['id']}/history", user="b", status=404),
        await site.post(f"{path}/cancel", user="b", status=404),
        await site.post(f"{path}/turns", {"prompt": "x"}, user="b", status=404),
        await site.post(f"{path}/confirm", {"step_id": "s", "approved": True}, user="b", status=404),
        await site.post(f"{path}/claim", user="b", status=404),
        await site.post(f"{path}/events", {"event_type": "x", "data": 1}, user="b", status=404),
    ]
    absent = await site.get("/api/v1/tasks/task-0", user="b", status=404)
    for answer in answers:
        assert answer["error"]["message"].replace(task["id"], "task-0") == absent["error"]["message"]
    assert (await site.get(path, user="root"))["id"] == task["id"]
    assert len((await site.get("/api/v1/tasks", user="root"))["tasks"]) == 1
    assert (await site.get(path))["state"] == "waiting"
