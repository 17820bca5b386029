"""From the events of an owner's tasks and conversations to what the steps dialect says. Sync, without a clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from actors.event import Draft, Event, Json
from actors.projection import RebuiltFromTasks
from actors.redaction import TaskRedaction
from transport.dialects.steps_drafts import told
from transport.dialects.steps_plan import step_id_of
from transport.dialects.steps_session import session_drafts
from transport.dialects.steps_task import State, StepsTask, status_draft

_DATALESS = frozenset({"task.started", "task.turn_started", "agent.message"})
_TOLD = _DATALESS | {
    "plan.created",
    "plan.updated",
    "step.started",
    "step.progress",
    "step.completed",
    "step.failed",
    "step.confirm",
    "step.confirmed",
    "agent.tool_call",
    "agent.tool_result",
    "agent.client_tool_call",
    "agent.client_tool_result",
    "task.completed",
    "task.failed",
    "task.cancelled",
}
"""All else is left out: reasoning, artifacts, what agents emit under names of their own."""

_ENDS = frozenset({"task.completed", "task.failed", "task.cancelled"})
_MOST_GAPS = 1_000
"""Of tasks of which nothing came yet behind a gap. Of more of them it is forgotten."""


class _Gap(msgspec.Struct):
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")
    reason: str


class StepsProjection(RebuiltFromTasks):
    """At most one `step:progress` of a step in `interval` seconds, the last one always before its `step:complete`."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._tasks: dict[str, StepsTask] = {}
        """Those that run, the one begun last at the end."""
        self._holding: dict[str, StepsTask] = {}
        """Those of them that hold a progress back: few, and asked for after every event."""
        self._gaps: dict[str, Draft] = {}
        """What is gone of tasks of which nothing else is known."""

    @property
    def due(self) -> float:
        return min((task.due for task in self._holding.values()), default=math.inf)

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        if event.key.channel == "session":
            return session_drafts(event)
        if event.key.channel != "task":
            return ()
        if event.event_type == "gap":
            return self._miss(event)
        if event.event_type not in _TOLD:
            return ()
        task_id, at = event.key.topic, event.timestamp
        task = self._tasks.get(task_id)
        if task is None:
            task = self._tasks[task_id] = StepsTask(task_id, self._interval, at)
            if (gap := self._gaps.pop(task_id, None)) is not None:
                task.miss(gap)
        data = None if event.event_type in _DATALESS else event.data
        said = list(_tell(task, event.event_type, data if isinstance(data, dict) else {}, at, now))
        self._note(task_id, task)
        if event.event_type in _ENDS:
            del self._tasks[task_id]
            if self._tasks:
                # Another one goes on: its state is the one to be shown.
                said.append(self.status(at))
        return said

    def flush(self, now: float) -> Sequence[Draft]:
        said: list[Draft] = []
        for task_id, task in tuple(self._holding.items()):
            said += task.flush(now)
            self._note(task_id, task)
        return said

    def redact(self, redaction: TaskRedaction) -> Callable[[Event], bool]:
        """What is told here are answers: how the task went on. That it did stays."""
        task = self._tasks.get(redaction.task_id)
        if task is not None:
            task.redact()
            self._note(redaction.task_id, task)

        def concerns(event: Event) -> bool:
            if event.event_type == "status" or redaction.task_id.encode() not in event.body:
                return False
            data = event.data
            return isinstance(data, dict) and data.get("taskId") == redaction.task_id

        return concerns

    def status(self, at: int) -> Draft:
        """Of the task begun last that runs."""
        task_id = next(reversed(self._tasks), None)
        if task_id is None:
            return status_draft(State.IDLE, None, at)
        return status_draft(self._tasks[task_id].state, task_id, at)

    def catch_up(self, at: int) -> list[Draft]:
        """The plans and open questions of what runs, for somebody who comes without having seen them."""
        return [draft for task in self._tasks.values() for draft in task.catch_up(at)]

    def _miss(self, event: Event) -> Sequence[Draft]:
        """Of a task some events are gone, its plan perhaps among them: that is said, and the plan is not made up."""
        try:
            missed = msgspec.json.decode(event.body, type=_Gap)
        except msgspec.DecodeError:
            # An agent's own event, which happens to have the name.
            return ()
        # What compaction takes out is nothing that is told here.
        if missed.reason == "compacted":
            return ()
        task_id = event.key.topic
        what: dict[str, Json] = {"from": missed.first, "to": missed.last, "reason": missed.reason}
        gap = told("gap", {"taskId": task_id, **what}, event.timestamp)
        if (task := self._tasks.get(task_id)) is not None:
            task.miss(gap)
        else:
            self._gaps[task_id] = gap
            if len(self._gaps) > _MOST_GAPS:
                del self._gaps[next(iter(self._gaps))]
        return (gap,)

    def _note(self, task_id: str, task: StepsTask) -> None:
        if task.due < math.inf:
            self._holding[task_id] = task
        else:
            self._holding.pop(task_id, None)


def _tell(task: StepsTask, kind: str, data: Mapping[str, Json], at: int, now: float) -> Iterable[Draft]:
    match kind:
        case "task.started" | "task.turn_started":
            return task.enter(State.PLANNING, at)
        case "agent.message":
            return task.work(at)
        case "plan.created":
            return task.make_plan(data, at)
        case "plan.updated":
            return task.change_plan(data, at)
        case "agent.tool_call":
            return task.use_tool(_text(data, "call_id"), _text(data, "name"), at)
        case "agent.tool_result":
            success = data.get("success") is True
            output = data.get("result") if success else {"error": data.get("error")}
            return task.tool_used(_text(data, "call_id"), output, success, at)
        case "agent.client_tool_call":
            return task.call_client(_text(data, "call_id"), data, at)
        case "agent.client_tool_result":
            return task.client_answered(_text(data, "call_id"), data, at)
        case "task.completed":
            return task.complete(data, at)
        case "task.failed":
            return task.fail(data, at)
        case "task.cancelled":
            return task.cancel(data, at)
        case _:
            step_id = step_id_of(data.get("step_id"))
            return _tell_step(task, kind, step_id, data, at, now) if step_id else ()


def _tell_step(
    task: StepsTask, kind: str, step_id: str, data: Mapping[str, Json], at: int, now: float
) -> Iterable[Draft]:
    match kind:
        case "step.started":
            return task.start_step(step_id, _text(data, "name"), at)
        case "step.progress":
            return task.progress(step_id, _number(data.get("progress")), _text(data, "message"), at, now)
        case "step.completed":
            return task.end_step(step_id, _text(data, "name"), data.get("output"), data.get("success") is not False, at)
        case "step.failed":
            return task.end_step(step_id, _text(data, "name"), {"error": data.get("error")}, False, at)
        case "step.confirm":
            return task.ask(step_id, _text(data, "step_name"), _text(data, "reason"), data.get("expires_at"), at)
        case "step.confirmed":
            by = data.get("by")
            return task.answered(step_id, data.get("approved") is True, by if isinstance(by, str) else None, at)
        case _:
            raise ValueError(f"{kind} is not told as a step")


def _text(data: Mapping[str, Json], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
