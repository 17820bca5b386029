"""What the steps dialect makes of a task's events."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actors.event import Json
from tests.support.steps import read, task_events
from transport.dialects.steps_projection import StepsProjection

PLAN: Json = {"goal": "g", "steps": [{"id": "s1", "name": "Analyse", "type": "tool", "tool": "clock"}]}
BEGUN: list[tuple[str, Json, int]] = [("task.started", {}, 1000), ("plan.created", PLAN, 1010)]


def project(*told: tuple[str, Json, int], now: float = 0.0) -> list[tuple[str, Any]]:
    projection = StepsProjection(0.1)
    return read(draft for event in task_events(*told) for draft in projection.project(event, now))


def of(kind: str, told: list[tuple[str, Any]]) -> list[Any]:
    return [data for name, data in told if name == kind]


def test_a_task_from_its_plan_to_its_completion() -> None:
    told = project(
        *BEGUN,
        ("step.started", {"step_id": "s1", "name": "Analyse"}, 1020),
        ("step.progress", {"step_id": "s1", "progress": 0.5, "message": "half"}, 1030),
        ("step.completed", {"step_id": "s1", "name": "Analyse", "success": True, "output": 7}, 1520),
        ("task.completed", {"result": "seven", "data": None, "duration_ms": 600}, 1600),
    )
    step = {"stepId": "s1", "stepName": "Analyse", "taskId": "task-1"}
    shown = {"id": "s1", "name": "Analyse", "description": "", "type": "tool", "status": "pending", "tool": "clock"}
    assert told == [
        ("status", {"state": "planning", "message": "Planning the task", "taskId": "task-1"}),
        ("plan:created", {"plan": {"id": "task-1", "goal": "g", "steps": [shown]}, "taskId": "task-1"}),
        ("status", {"state": "executing", "message": "Executing the task", "taskId": "task-1"}),
        ("step:start", step),
        ("step:progress", {**step, "progress": 50, "message": "half"}),
        ("step:complete", {**step, "result": {"status": "success", "output": 7, "duration": 500}}),
        (
            "task:complete",
            {
                "success": True,
                "taskId": "task-1",
                "output": "seven",
                "data": None,
                "error": None,
                "summary": "The task completed, 1 of 1 step succeeded.",
                "duration": 600,
            },
        ),
        ("status", {"state": "complete", "message": "The task is complete", "taskId": "task-1"}),
    ]


def test_a_cancelled_task_ends_its_steps_and_leaves_idle() -> None:
    told = project(*BEGUN, ("step.started", {"step_id": "s1"}, 1020), ("task.cancelled", {"reason": "requested"}, 1100))
    assert [name for name, _ in told[-3:]] == ["step:complete", "task:complete", "status"]
    assert told[-3][1]["result"]["status"] == "skipped"
    assert (told[-2][1]["success"], told[-2][1]["cancelled"], told[-2][1]["duration"]) == (False, True, 100)
    assert told[-1][1]["state"] == "idle"


def test_a_failed_step_and_a_failed_task_say_why() -> None:
    failed: Json = {"step_id": "s1", "success": False, "output": {"error": "no clock"}}
    told = project(*BEGUN, ("step.completed", failed, 1100), ("task.failed", {"error": "gave up", "cause": "x"}, 1200))
    assert of("step:error", told)[0]["error"] == "no clock"
    assert of("step:complete", told)[0]["result"]["status"] == "failed"
    assert of("task:error", told) == [{"taskId": "task-1", "error": "gave up", "cause": "x"}]
    assert (of("task:complete", told)[0]["success"], of("task:complete", told)[0]["error"]) == (False, "gave up")
    assert of("status", told)[-1]["state"] == "error"


def test_a_declined_step_is_skipped_and_the_task_is_no_success() -> None:
    told = project(
        *BEGUN,
        ("step.confirm", {"step_id": "s1", "step_name": "Analyse", "reason": "May I?", "expires_at": 9}, 1100),
        ("step.confirmed", {"step_id": "s1", "approved": False, "by": "alice"}, 1200),
        ("step.completed", {"step_id": "s1", "success": False, "output": None}, 1300),
        ("task.failed", {"error": "it was declined", "cause": "declined"}, 1400),
    )
    (question,) = of("waiting:confirmation", told)
    assert (question["stepId"], question["stepName"], question["reason"]) == ("s1", "Analyse", "May I?")
    assert [status["state"] for status in of("status", told)] == [
        "planning",
        "executing",
        "waiting",
        "executing",
        "complete",
    ]
    assert [complete["result"]["status"] for complete in of("step:complete", told)] == ["skipped"]
    assert of("step:error", told) == of("task:error", told) == []
    assert of("task:complete", told)[0]["success"] is False


def test_a_tool_called_outside_of_all_steps_is_a_step_of_its_own() -> None:
    told = project(
        ("task.started", {}, 1000),
        ("agent.tool_call", {"call_id": "call-1", "name": "clock", "arguments": {}}, 1100),
        ("agent.tool_result", {"call_id": "call-1", "name": "clock", "success": True, "result": "noon"}, 1150),
    )
    (plan,) = of("plan:updated", told)
    assert [(step["id"], step["tool"], step["status"]) for step in plan["plan"]["steps"]] == [
        ("call-1", "clock", "running")
    ]
    assert of("step:complete", told)[0]["result"] == {"status": "success", "output": "noon", "duration": 50}


def test_progress_is_held_back_and_its_last_value_told_in_time() -> None:
    projection = StepsProjection(8.0)
    told: list[tuple[float, int]] = []
    values: list[tuple[str, Json, int]] = [
        ("step.progress", {"step_id": "s1", "progress": value / 100}, value) for value in range(1, 31)
    ]
    for event in task_events(("step.started", {"step_id": "s1"}, 0), *values):
        now = float(event.timestamp)
        due = projection.due <= now
        drafts = [*projection.project(event, now), *(projection.flush(now) if due else ())]
        told += [(now, data["progress"]) for name, data in read(drafts) if name == "step:progress"]
    assert told == [(1, 1), (9, 9), (17, 17), (25, 25)]
    assert projection.due == 33
    assert [data["progress"] for _, data in read(projection.flush(33))] == [30]
    assert projection.due == math.inf


def test_who_comes_late_is_told_the_plan_and_the_open_question() -> None:
    projection = StepsProjection(0.1)
    question: Json = {"step_id": "s1", "step_name": "", "reason": "May I?", "expires_at": 9}
    for event in task_events(*BEGUN, ("step.started", {"step_id": "s1"}, 1020), ("step.confirm", question, 1030)):
        projection.project(event, 0.0)
    plan, asked = read(projection.catch_up(5))
    assert plan[0] == "plan:created"
    assert plan[1]["plan"]["steps"][0]["status"] == "running"
    assert (asked[0], asked[1]["stepId"]) == ("waiting:confirmation", "s1")
    assert read([projection.status(5)])[0][1]["state"] == "waiting"


def test_the_state_shown_is_that_of_the_task_that_goes_on() -> None:
    projection = StepsProjection(0.1)
    (older,) = task_events(("task.started", {}, 1), task_id="older")
    newer = task_events(("task.started", {}, 2), ("task.completed", {"result": ""}, 3), task_id="newer")
    told = read(draft for event in (older, *newer) for draft in projection.project(event, 0.0))
    assert told[-1] == ("status", {"state": "planning", "message": "Planning the task", "taskId": "older"})
    (ended,) = task_events(("task.cancelled", {}, 4), task_id="older")
    projection.project(ended, 0.0)
    assert read([projection.status(5)])[0][1] == {"state": "idle", "message": "Ready"}


@pytest.mark.parametrize("depth", [90, 240])
def test_an_output_as_deep_as_json_can_be_is_told(depth: int) -> None:
    output: Json = None
    for _ in range(depth):
        output = [output]
    told = project(("step.completed", {"step_id": "s1", "output": output}, 1))
    assert of("step:complete", told)[0]["result"]["status"] == "success"
