"""A wallet's tasks over HTTP."""

from __future__ import annotations

import pytest
from trio.testing import wait_all_tasks_blocked

from actors.commands import CancelTask, CreateTask
from actors.event import draft
from actors.principal import Principal
from tests.support.wallets import Wallet
from tests.transport.http.site import Json, Site
from tests.transport.http.test_wallet import ask

ALICE, BOB = Wallet(1), Wallet(2)
USER = Principal(ALICE.public_key)


async def begin(site: Site, agent: str, text: str = "hello") -> tuple[str, str]:
    """A conversation with this agent, and the task of its first message, as far as it goes by itself."""
    made = await ask(site, "POST", "/api/conversations", b'{"agent":"%b"}' % agent.encode(), status=201)
    body = b'{"content":"%b"}' % text.encode()
    sent = await ask(site, "POST", f"/api/conversations/{made['id']}/messages", body, status=202)
    await wait_all_tasks_blocked()
    return made["id"], sent["task_id"]


async def found(site: Site, task_id: str) -> Json:
    await wait_all_tasks_blocked()
    return (await ask(site, "GET", f"/api/tasks/{task_id}"))["task"]


async def test_a_task_is_cancelled(site: Site) -> None:
    _, task_id = await begin(site, "asking")
    assert (await found(site, task_id))["status"]["state"] == "input-required"
    await ask(site, "POST", f"/api/tasks/{task_id}/cancel")
    assert (await found(site, task_id))["status"]["state"] == "canceled"
    again = await ask(site, "POST", f"/api/tasks/{task_id}/cancel")
    assert "questions" not in again["task"]


@pytest.mark.parametrize("named", [b"", b',"step_id":"s1"'])
async def test_a_step_is_confirmed_once(site: Site, named: bytes) -> None:
    _, task_id = await begin(site, "asking")
    task = await found(site, task_id)
    assert task["questions"] == [{"step_id": "s1", "reason": "May I?"}]
    assert task["status"]["message"] == "May I?"
    await ask(site, "POST", f"/api/tasks/{task_id}/confirm", b'{"approved":true%b}' % named)
    task = await found(site, task_id)
    assert (task["status"]["state"], task["status"]["message"]) == ("completed", "yes")
    again = await ask(site, "POST", f"/api/tasks/{task_id}/confirm", b'{"approved":false%b}' % named, status=409)
    assert again["error"]["code"] == "CONFLICT"


async def test_a_tool_call_is_answered_once(site: Site) -> None:
    _, task_id = await begin(site, "calling")
    task = await found(site, task_id)
    assert task["tool_calls"] == [{"call_id": "call-1", "name": "clipboard", "arguments": {"format": "text"}}]
    assert task["status"]["state"] == "input-required"
    path = f"/api/tasks/{task_id}/tool-results"
    await ask(site, "POST", path, b'{"call_id":"call-1","result":7}')
    task = await found(site, task_id)
    assert (task["status"]["state"], task["status"]["message"]) == ("completed", "got 7")
    assert "tool_calls" not in task
    await ask(site, "POST", path, b'{"call_id":"call-1","result":8}', status=409)


async def test_a_question_outlives_its_event(site: Site) -> None:
    _, task_id = await begin(site, "asking")
    key = site.world.tasks.find(USER, task_id).key
    for number in range(10_001):
        await site.world.channels.emit(key, draft("note", number))
    task = await found(site, task_id)
    assert task["questions"] == [{"step_id": "s1", "reason": "May I?"}]


async def test_a_confirmation_names_a_step_that_waits(site: Site) -> None:
    _, task_id = await begin(site, "asking")
    path = f"/api/tasks/{task_id}/confirm"
    await ask(site, "POST", path, b'{"approved":true,"step_id":"else"}', status=404)
    for body in (b"{}", b'{"approved":"yes"}', b'{"approved":true,"step_id":5}'):
        await ask(site, "POST", path, body, status=400)
    assert (await found(site, task_id))["status"]["state"] == "input-required"


async def test_a_task_that_waits_for_the_next_message_gets_it(site: Site) -> None:
    conversation_id, task_id = await begin(site, "patient")
    assert (await found(site, task_id))["status"]["state"] == "input-required"
    sent = await ask(site, "POST", f"/api/tasks/{task_id}/messages", b'{"content":"Rome"}', status=202)
    assert sent == {"conversation_id": conversation_id, "task_id": task_id}
    task = await found(site, task_id)
    assert (task["status"]["state"], task["status"]["message"]) == ("completed", "Rome")
    assert [one["parts"][0]["text"] for one in task["history"] if one["role"] == "user"] == ["hello", "Rome"]
    await ask(site, "POST", f"/api/tasks/{task_id}/messages", b'{"content":"late"}', status=409)
    await ask(site, "POST", f"/api/tasks/{task_id}/messages", b'{"content":""}', status=400)


async def test_the_list_is_of_the_newest_first_in_pages_and_by_state(site: Site) -> None:
    first, done = await begin(site, "echo", "hi")
    second, waits = await begin(site, "asking")
    listed = (await ask(site, "GET", "/api/tasks"))["tasks"]
    assert [(one["id"], one["conversation_id"]) for one in listed] == [(waits, second), (done, first)]
    assert (listed[1]["status"]["state"], listed[1]["status"]["message"]) == ("completed", "HI")
    page = await ask(site, "GET", "/api/tasks?limit=1")
    rest = await ask(site, "GET", f"/api/tasks?limit=1&after={page['next']}")
    assert ([one["id"] for one in rest["tasks"]], rest["next"]) == ([done], None)
    by_state = {"completed": [done], "input-required": [waits], "working": [], "unknown": []}
    for state, ids in by_state.items():
        chosen = await ask(site, "GET", f"/api/tasks?state={state}")
        assert [one["id"] for one in chosen["tasks"]] == ids
    chosen = await ask(site, "GET", f"/api/tasks?conversation_id={first}")
    assert [one["id"] for one in chosen["tasks"]] == [done]
    await ask(site, "GET", "/api/tasks?state=asleep", status=400)


async def test_a_failure_is_told(site: Site) -> None:
    view = await site.world.router.create_task(USER, CreateTask(agent="failing", prompt="x"))
    task = await found(site, view.id)
    (listed,) = (await ask(site, "GET", "/api/tasks?state=failed"))["tasks"]
    assert (task["status"]["state"], listed["status"]["state"]) == ("failed", "failed")
    assert "no luck" in task["status"]["message"]
    assert listed["status"]["message"] == task["status"]["message"]


async def test_a_task_of_many_events_is_told_to_its_end(site: Site) -> None:
    """What its agent has said fills more than one reading of the log."""
    view = await site.world.router.create_task(USER, CreateTask(agent="patient", prompt="go"))
    await wait_all_tasks_blocked()
    key = site.world.tasks.find(USER, view.id).key
    for number in range(12):
        artifact: Json = {"name": f"part-{number}", "content": str(number) * 150_000}
        await site.world.channels.emit(key, draft("agent.artifact", artifact))
    assert (await found(site, view.id))["artifacts"][-1]["name"] == "part-11"
    await site.world.router.command_task(USER, CancelTask(view.id))


async def test_another_wallets_task_is_not_there(site: Site) -> None:
    _, task_id = await begin(site, "asking")
    for path, body in (("confirm", b'{"approved":true}'), ("cancel", None), ("messages", b'{"content":"x"}')):
        refused = await ask(site, "POST", f"/api/tasks/{task_id}/{path}", body, wallet=BOB, status=404)
        assert refused["error"]["code"] == "NOT_FOUND"
    assert (await ask(site, "GET", "/api/tasks", wallet=BOB))["tasks"] == []
    await ask(site, "GET", "/api/tasks", wallet=None, status=401)
