"""A tool call that a device carries out, in a real process: asked again of who connects, answered once."""

from __future__ import annotations

import pytest
import trio

from callboard_client import ClientToolCall, ClientToolResult, Completed, Event, RequestRefused, TaskRun, connect
from tests.e2e.clients import rest
from tests.e2e.conftest import Token
from tests.e2e.engine_process import PATIENCE, EngineProcess


async def called(run: TaskRun) -> ClientToolCall:
    async for event in run:
        if isinstance(event, ClientToolCall):
            return event
    raise AssertionError


async def test_a_device_that_comes_later_answers_and_the_others_are_told(engine: EngineProcess, token: Token) -> None:
    key = token("alice")
    with trio.fail_after(PATIENCE):
        async with (
            connect(engine.url, key, device_id="desk") as desk,
            desk.run("offline", "ask my device for the clipboard") as run,
        ):
            call = await called(run)
            async with (
                connect(engine.url, key, device_id="phone") as phone,
                phone.subscribe("task", run.task_id) as events,
            ):
                again = await anext(events)
                assert isinstance(again, Event)
                assert again.event_type == "agent.client_tool_call"
                assert again.data["call_id"] == call.call_id
                await phone.return_tool(run.task_id, call.call_id, {"text": "hello"})
            with pytest.raises(RequestRefused, match=r"carried out by alice \(device phone\)") as refused:
                await run.fail_tool(call.call_id, "too late")
            assert refused.value.details["answered_on"] == "phone"
            with rest(engine.url, key) as api:
                body = {"call_id": call.call_id, "result": None}
                answer = api.post(f"/api/v1/tasks/{run.task_id}/tool-results", json=body)
            assert (answer.status_code, answer.json()["error"]["details"]["answered_by"]) == (409, "alice")
            told = [event async for event in run if isinstance(event, ClientToolResult)]
            assert told == [ClientToolResult(call.call_id, True, {"text": "hello"}, by="alice")]
            assert isinstance(run.outcome, Completed)
            assert run.outcome.result == "The device's clipboard = {'text': 'hello'}"
