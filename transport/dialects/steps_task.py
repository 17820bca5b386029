"""One task as the steps dialect tells it: its plan, its steps, its state. Sync, and without a clock of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from enum import StrEnum

from actors.event import Draft, Json
from transport.dialects.steps_drafts import told
from transport.dialects.steps_plan import StepsPlan


class State(StrEnum):
    """What the clients show."""

    IDLE = "idle"
    PLANNING = "planning"
    EXECUTING = "executing"
    WAITING = "waiting"
    COMPLETE = "complete"
    ERROR = "error"


_WORDS = {
    State.IDLE: "Ready",
    State.PLANNING: "Planning the task",
    State.EXECUTING: "Executing the task",
    State.WAITING: "Waiting for an answer",
    State.COMPLETE: "The task is complete",
    State.ERROR: "The task has failed",
}


def status_draft(state: State, task_id: str | None, timestamp: int) -> Draft:
    data: dict[str, Json] = {"state": state.value, "message": _WORDS[state]}
    if task_id is not None:
        data["taskId"] = task_id
    return told("status", data, timestamp)


class _Step:
    """One that runs. `sent_at` is trio's time, `held` the last progress that was not told yet."""

    __slots__ = ("held", "name", "sent_at", "started_at")

    def __init__(self, name: str, started_at: int) -> None:
        self.name = name
        self.started_at = started_at
        self.sent_at = -math.inf
        self.held: Draft | None = None


class StepsTask:
    """Each method yields what is said of one event. `at` is the event's time in Unix milliseconds."""

    def __init__(self, task_id: str, interval: float, at: int) -> None:
        self.state = State.IDLE
        self.plan = StepsPlan(task_id)
        self._id = task_id
        self._interval = interval
        self._began_at = at
        self._running: dict[str, _Step] = {}
        self._questions: dict[tuple[str, str], Draft] = {}
        """What is open, by the type of its message and its name."""
        self._declined = ""
        """The name of the last step that was declined."""
        self._skipped: set[str] = set()
        self._gap: Draft | None = None
        """What was told last of events that are gone."""
        self._done = self._failed = 0

    @property
    def due(self) -> float:
        """When a progress that is held back may be told."""
        times = [step.sent_at + self._interval for step in self._running.values() if step.held is not None]
        return min(times, default=math.inf)

    def flush(self, now: float) -> Iterator[Draft]:
        for step in self._running.values():
            if step.sent_at + self._interval <= now:
                yield from self._tell_held(step, now)

    def catch_up(self, at: int) -> Iterator[Draft]:
        """What somebody who comes now has to know."""
        if self._gap is not None and not self.plan.is_known:
            yield self._gap
        if self.plan:
            yield self.plan.created(at)
        yield from self._questions.values()

    def redact(self) -> None:
        """Forgets all texts. What is told later stands."""
        self.plan.forget_texts()
        self._questions.clear()
        for step_id, step in self._running.items():
            step.name, step.held = step_id, None

    def miss(self, gap: Draft) -> None:
        """Events of it are gone."""
        self._gap = gap
        self.plan.lose()

    def enter(self, state: State, at: int) -> Iterator[Draft]:
        if self.state is not state:
            self.state = state
            yield status_draft(state, self._id, at)

    def work(self, at: int) -> Iterator[Draft]:
        """Something is being done, and no answer waited for."""
        if not self._questions:
            yield from self.enter(State.EXECUTING, at)

    def make_plan(self, data: Mapping[str, Json], at: int) -> Iterator[Draft]:
        self.plan.take(data)
        yield self.plan.created(at)
        yield from self.work(at)

    def change_plan(self, data: Mapping[str, Json], at: int) -> Iterator[Draft]:
        self.plan.take(data)
        yield self.plan.updated(at)

    def start_step(self, step_id: str, name: str, at: int, *, tool: str = "") -> Iterator[Draft]:
        if step_id in self._running:
            return
        self._skipped.discard(step_id)
        self._running[step_id] = _Step(name or self.plan.name_of(step_id), at)
        yield from self.work(at)
        if self.plan.enter(step_id, self._running[step_id].name, tool):
            yield self.plan.updated(at)
        yield self._draft("step:start", step_id, {}, at)

    def use_tool(self, call_id: str, tool: str, at: int) -> Iterator[Draft]:
        """A call outside of all steps is a step of its own."""
        yield from self.work(at)
        if call_id and not self._running:
            yield from self.start_step(call_id, tool, at, tool=tool)

    def tool_used(self, call_id: str, output: Json, success: bool, at: int) -> Iterator[Draft]:
        if call_id in self._running:
            yield from self.end_step(call_id, "", output, success, at)

    def progress(self, step_id: str, progress: float, message: str, at: int, now: float) -> Iterator[Draft]:
        """`progress` runs from 0 to 1."""
        if step_id in self._skipped:
            return
        yield from self.start_step(step_id, "", at)
        step = self._running[step_id]
        percent = round(100 * min(max(progress, 0.0), 1.0))
        step.held = self._draft("step:progress", step_id, {"progress": percent, "message": message}, at)
        if step.sent_at + self._interval <= now:
            yield from self._tell_held(step, now)

    def end_step(self, step_id: str, name: str, output: Json, success: bool, at: int) -> Iterator[Draft]:
        if step_id in self._skipped:
            # It was told when it was declined.
            self._skipped.discard(step_id)
            return
        yield from self.start_step(step_id, name, at)
        if not success:
            yield self._draft("step:error", step_id, {"error": _reason(output)}, at)
        yield from self._complete(step_id, "success" if success else "failed", output, at)

    def ask(self, step_id: str, name: str, reason: str, expires_at: Json, at: int) -> Iterator[Draft]:
        known = self._running.get(step_id)
        shown = name or (known.name if known is not None else self.plan.name_of(step_id))
        data: dict[str, Json] = {"stepId": step_id, "stepName": shown, "reason": reason, "taskId": self._id}
        question = told("waiting:confirmation", {**data, "expiresAt": expires_at}, at)
        yield from self._wait_for(step_id, question, at)

    def answered(self, step_id: str, approved: bool, by: str | None, at: int) -> Iterator[Draft]:
        """`by` None: nobody has answered in time."""
        self._questions.pop(("waiting:confirmation", step_id), None)
        yield from self.work(at)
        if approved or by is None:
            return
        yield from self.start_step(step_id, "", at)
        self._declined = self._running[step_id].name
        yield from self._complete(step_id, "skipped", {"approved": False}, at)
        self._skipped.add(step_id)

    def call_client(self, call_id: str, data: Mapping[str, Json], at: int) -> Iterator[Draft]:
        """A tool call that a client is to carry out."""
        asked: dict[str, Json] = {"callId": call_id, "name": data.get("name"), "arguments": data.get("arguments")}
        more: dict[str, Json] = {"taskId": self._id, "expiresAt": data.get("expires_at")}
        yield from self._wait_for(call_id, told("waiting:tool", {**asked, **more}, at), at)

    def client_answered(self, call_id: str, data: Mapping[str, Json], at: int) -> Iterator[Draft]:
        self._questions.pop(("waiting:tool", call_id), None)
        success = data.get("success") is True
        outcome: dict[str, Json] = {"result": data.get("result")} if success else {"error": data.get("error")}
        known: dict[str, Json] = {"callId": call_id, "taskId": self._id, "success": success, "by": data.get("by")}
        yield told("tool:answered", {**known, **outcome}, at)
        yield from self.work(at)

    def complete(self, data: Mapping[str, Json], at: int) -> Iterator[Draft]:
        yield from self._end_all("success", "", at)
        error = self._refusal()
        yield self._ended(data, at, {"output": data.get("result"), "data": data.get("data"), "error": error})
        yield from self.enter(State.COMPLETE, at)

    def fail(self, data: Mapping[str, Json], at: int) -> Iterator[Draft]:
        error, cause = _text(data.get("error")) or "the task has failed", data.get("cause")
        yield from self._end_all("failed", error, at)
        if not self._declined:
            yield told("task:error", {"taskId": self._id, "error": error, "cause": cause}, at)
        yield self._ended(data, at, {"output": None, "error": self._refusal() or error})
        yield from self.enter(State.COMPLETE if self._declined else State.ERROR, at)

    def cancel(self, data: Mapping[str, Json], at: int) -> Iterator[Draft]:
        yield from self._end_all("skipped", "", at)
        yield self._ended(data, at, {"output": None, "error": "the task was cancelled", "cancelled": True})
        self.state = State.IDLE
        yield status_draft(State.IDLE, self._id, at)

    def _wait_for(self, name: str, question: Draft, at: int) -> Iterator[Draft]:
        self._questions[question.event_type, name] = question
        yield question
        yield from self.enter(State.WAITING, at)

    def _ended(self, data: Mapping[str, Json], at: int, outcome: dict[str, Json]) -> Draft:
        took = data.get("duration_ms")
        duration = took if isinstance(took, int | float) else at - self._began_at
        success = outcome["error"] is None
        told_of: dict[str, Json] = {"success": success, "taskId": self._id, **outcome}
        return told("task:complete", {**told_of, "summary": self._summary(success), "duration": duration}, at)

    def _summary(self, success: bool) -> str:
        total = self._done + self._failed
        ending = "completed" if success else "did not complete"
        steps = f", {self._done} of {total} step{'s' * (total != 1)} succeeded" if total else ""
        return f"The task {ending}{steps}."

    def _refusal(self) -> str | None:
        return f"{self._declined}: declined" if self._declined else None

    def _end_all(self, status: str, error: str, at: int) -> Iterator[Draft]:
        self._questions.clear()
        for step_id in tuple(self._running):
            if error:
                yield self._draft("step:error", step_id, {"error": error}, at)
            yield from self._complete(step_id, status, None, at)

    def _complete(self, step_id: str, status: str, output: Json, at: int) -> Iterator[Draft]:
        step = self._running[step_id]
        yield from self._tell_held(step, step.sent_at)
        result: Json = {"status": status, "output": output, "duration": max(0, at - step.started_at)}
        completed = self._draft("step:complete", step_id, {"result": result}, at)
        del self._running[step_id]
        self.plan.mark(step_id, status)
        self._done += status == "success"
        self._failed += status != "success"
        yield completed

    def _tell_held(self, step: _Step, now: float) -> Iterator[Draft]:
        if step.held is not None:
            held, step.held, step.sent_at = step.held, None, now
            yield held

    def _draft(self, kind: str, step_id: str, more: dict[str, Json], at: int) -> Draft:
        data: dict[str, Json] = {"stepId": step_id, "stepName": self._running[step_id].name, "taskId": self._id}
        merge_key = f"{self._id}/{step_id}" if kind == "step:progress" else ""
        return told(kind, {**data, **more}, at, merge_key=merge_key)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _reason(output: Json) -> str:
    error = output.get("error") if isinstance(output, dict) else output
    return _text(error) or "the step has failed"
