"""The steps over WebSockets, on a real port: submit, watch, confirm, cancel, come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed

from actors.agent import AgentError, PlanStep, Result, TaskContext
from tests.support.gateway import Gateway, running_gateway
from tests.support.steps import StepsSocket, steps_socket, steps_stream


async def echo(task: TaskContext) -> Result:
    """Two steps; waits where it is told to, asks where it is told to."""
    await task.plan([PlanStep("s1", "Read", type="tool", tool="echo"), PlanStep("s2", "Write")], goal=task.prompt)
    await task.step_started("s1", "Read")
    if task.prompt == "ask" and not await task.confirm("s1", "May I?", step_name="Read"):
        raise AgentError("declined", "it was declined")
    if task.prompt == "wait":
        await trio.sleep_forever()
    for part in range(1, 101):
        await task.step_progress("s1", part / 100, f"{part} of 100")
    await task.step_completed("s1", "Read", output=task.prompt)
    await task.step_started("s2", "Write")
    await task.step_completed("s2", "Write")
    return Result(f"done: {task.prompt}")


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway({"echo": echo}) as running:
        yield running


async def greeted(client: StepsSocket) -> dict[str, Any]:
    connected = await client.receive()
    assert (connected["type"], (await client.receive())["type"]) == ("connected", "status")
    return connected


def story(client: StepsSocket) -> list[dict[str, Any]]:
    """What comes of the feed: what every client of the user is told alike."""
    return [frame for frame in client.frames if "eventId" in frame and frame["type"] != "connected"]


async def test_a_task_is_seen_from_its_plan_to_its_completion(gateway: Gateway) -> None:
    async with steps_socket(gateway, "alice") as client:
        connected = await greeted(client)
        assert connected["data"]["clientId"]
        assert client.frames[1]["data"]["state"] == "idle"
        await client.send("task:submit", {"task": "go", "context": {}})
        await client.until_status("complete")
        kinds = [frame["type"] for frame in story(client) if frame["type"] not in ("status", "step:progress")]
        assert kinds == [
            "plan:created",
            "step:start",
            "step:complete",
            "step:start",
            "step:complete",
            "task:complete",
        ]
        progress = [frame["data"]["progress"] for frame in client.frames if frame["type"] == "step:progress"]
        assert progress[-1] == 100
        assert len(progress) < 100
        (done,) = [frame["data"] for frame in client.frames if frame["type"] == "task:complete"]
        assert (done["success"], done["output"], done["error"]) == (True, "done: go", None)


async def test_two_clients_and_a_stream_of_one_user_see_the_same_and_nobody_else_does(gateway: Gateway) -> None:
    async with (
        steps_socket(gateway, "alice") as one,
        steps_socket(gateway, "alice") as other,
        steps_socket(gateway, "bob") as stranger,
        steps_stream(gateway, {"authorization": "Bearer alice"}) as stream,
    ):
        for client in (one, other, stranger):
            await greeted(client)
        greeting = await stream.event()
        assert (greeting.event, greeting.fields["retry"]) == ("connected", "3000")
        assert (await stream.event()).event == "status"
        await one.send("task:submit", {"task": "go"})
        blocks = [await stream.event()]
        while blocks[-1].payload["data"].get("state") != "complete":
            blocks.append(await stream.event())
        await one.until_status("complete")
        await other.until_status("complete")
        seen = [block.payload for block in blocks]
        assert story(one) == story(other) == seen
        assert [block.id for block in blocks] == [frame["eventId"] for frame in seen]
        assert [block.event for block in blocks] == [frame["type"] for frame in seen]
        await stranger.send("ping", id="p")
        assert (await stranger.receive())["type"] == "pong"


async def test_a_second_submission_while_one_runs_is_an_error_and_cancel_leaves_idle(gateway: Gateway) -> None:
    async with steps_socket(gateway, "alice") as client:
        await greeted(client)
        await client.send("task:submit", {"task": "wait"})
        await client.until("step:start")
        await client.send("task:submit", {"task": "go"}, id="second")
        refused = await client.until("error")
        assert (refused["id"], refused["data"]["code"]) == ("second", "CONFLICT")
        await client.send("task:cancel")
        ended = await client.until("task:complete")
        assert (ended["data"]["success"], ended["data"]["cancelled"]) == (False, True)
        assert (await client.receive())["data"]["state"] == "idle"
        await client.send("task:submit", {"task": "go"})
        assert (await client.until("task:complete"))["data"]["success"] is True


@pytest.mark.parametrize("approved", [True, False])
async def test_a_confirmation_is_asked_of_every_client_and_answered_by_one(gateway: Gateway, approved: bool) -> None:
    async with steps_socket(gateway, "alice") as one:
        await greeted(one)
        await one.send("task:submit", {"task": "ask"})
        await one.until_status("waiting")
        async with steps_socket(gateway, "alice") as late:
            await greeted(late)
            plan = await late.receive()
            assert (plan["type"], plan["data"]["plan"]["steps"][0]["status"]) == ("plan:created", "running")
            question = await late.receive()
            assert (question["type"], question["data"]["reason"]) == ("waiting:confirmation", "May I?")
            await late.send("step:confirm", {"stepId": "s1", "approved": approved})
            await late.until("task:complete", success=approved)
        step = await one.until("step:complete", stepId="s1")
        assert step["data"]["result"]["status"] == ("success" if approved else "skipped")


async def test_after_a_cut_what_was_missed_comes_once(gateway: Gateway) -> None:
    async with steps_socket(gateway, "alice") as watcher:
        await greeted(watcher)
        async with steps_socket(gateway, "alice") as cut:
            await greeted(cut)
            await cut.send("task:submit", {"task": "ask"})
            seen = await cut.until_status("waiting")
        await watcher.until_status("waiting")
        await watcher.send("step:confirm", {"stepId": "s1", "approved": True})
        await watcher.until_status("complete")
        ids = [frame["eventId"] for frame in story(watcher)]
        missed = merged(story(watcher)[ids.index(seen["eventId"]) + 1 :])
        async with steps_socket(gateway, "alice", seen["eventId"]) as back:
            assert (await greeted(back))["data"]["recovered"] is True
            await back.until_status("complete")
            assert story(back) == missed
        async with steps_stream(gateway, {"authorization": "Bearer alice", "last-event-id": seen["eventId"]}) as stream:
            assert [(await stream.event()).event for _ in range(2)] == ["connected", "status"]
            assert [(await stream.event()).payload for _ in missed] == missed


def merged(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As one gets them who was away: of adjacent progress the last value alone, under its own id."""
    following = [*frames[1:], {"type": ""}]
    return [
        frame
        for frame, after in zip(frames, following, strict=True)
        if not frame["type"] == after["type"] == "step:progress"
    ]


@pytest.mark.parametrize("unknown", ["gone:3", "42", "%00"])
async def test_who_comes_back_with_an_id_of_another_life_is_told_so(gateway: Gateway, unknown: str) -> None:
    async with steps_socket(gateway, "alice", unknown) as client:
        connected = await greeted(client)
        assert connected["data"]["recovered"] is False
        assert client.frames[1]["data"]["state"] == "idle"


async def test_bad_input_is_an_error_and_the_socket_stays_open(gateway: Gateway) -> None:
    async with steps_socket(gateway, "alice") as client:
        await greeted(client)
        for bad in ("", "[]", "{", '{"type":"x","id":7}', '{"type":"task:submit","data":{"task":""}}'):
            await client.socket.send_message(bad)
            assert (await client.receive())["type"] == "error"
        await client.send("step:confirm", {"stepId": "none", "approved": True})
        assert (await client.receive())["data"]["code"] == "NOT_FOUND"
        await client.send("task:cancel")
        assert (await client.receive())["data"]["message"] == "no task is running"
        await client.send("get:tools", id="t")
        tools = await client.receive()
        assert (tools["id"], tools["data"]["tools"][0]["name"]) == ("t", "echo")
        await client.socket.send_message(b"binary")
        with pytest.raises(ConnectionClosed) as closed, trio.fail_after(10):
            await client.socket.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1003


async def test_a_task_of_the_gateway_is_seen_and_cancelled_here(gateway: Gateway) -> None:
    async with gateway.client("alice") as starter:
        create = {"action": "create", "data": {"agent": "echo", "prompt": "wait"}}
        created = (await starter.request("task.action", create))["payload"]
        async with steps_socket(gateway, "alice") as client:
            await client.until("step:start", taskId=created["task_id"])
            await client.send("task:cancel", id="c")
            await client.until("task:complete", taskId=created["task_id"], cancelled=True)
