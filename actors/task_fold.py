"""What the events of a task come to."""

from __future__ import annotations

from functools import partial

import msgspec

from actors.event import ChannelKey, Event
from actors.fold import Members, Texts, left_of, members, members_left, text_of
from actors.redaction import Redaction

_ENDS = {"task.completed": "completed", "task.failed": "failed", "task.cancelled": "cancelled"}


class TaskSnapshot(msgspec.Struct, kw_only=True):
    """A task as its events tell it. Whatever is keyed is in the order of its first event.

    `messages` and `thinking`: the text so far by the key of its pieces. `plan`: the data of the last `plan.*` event.
    `steps`, `tool_calls`: what their events said of each, the later over the earlier. `confirmations` and
    `client_tool_calls`: the data of those that are open. `ending`: the data of the last event. `others`: of each other
    type what its last event held.
    """

    state: str = "queued"
    turn: int = 0
    prompt: str = ""
    started: Members = {}
    messages: dict[str, str] = {}
    thinking: dict[str, str] = {}
    plan: object = None
    steps: dict[str, Members] = {}
    tool_calls: dict[str, Members] = {}
    confirmations: dict[str, Members] = {}
    client_tool_calls: dict[str, Members] = {}
    artifacts: list[object] = []
    ending: Members = {}
    others: Members = {}


class TaskFold:
    """An actors.fold.Fold of a task's topic."""

    def __init__(self) -> None:
        self._rest = TaskSnapshot()
        """All but the texts."""
        self._messages = Texts()
        self._thinking = Texts()

    def apply(self, event: Event) -> None:
        rest, kind, data = self._rest, event.event_type, members(event)
        match kind:
            case "agent.message":
                self._messages.add(event.merge_key, text_of(data, "content"))
            case "agent.thinking":
                self._thinking.add(event.merge_key, text_of(data, "content"))
            case "task.started":
                rest.started = data
                self._go_on()
            case "task.turn_started":
                turn = data.get("turn")
                # Of a bool, which Python takes for an int, the dump would be none that `load` takes.
                rest.turn = turn if isinstance(turn, int) and not isinstance(turn, bool) else rest.turn
                rest.prompt = text_of(data, "prompt")
                self._go_on()
            case "plan.created" | "plan.updated":
                rest.plan = data
            case "step.started" | "step.progress" | "step.completed":
                self._tell_of_step(kind, data)
            case "step.confirm":
                rest.confirmations[text_of(data, "step_id")] = data
                rest.state = "waiting"
            case "step.confirmed":
                rest.confirmations.pop(text_of(data, "step_id"), None)
                self._go_on()
            case "agent.client_tool_call":
                rest.client_tool_calls[text_of(data, "call_id")] = data
                rest.state = "waiting"
            case "agent.client_tool_result":
                rest.client_tool_calls.pop(text_of(data, "call_id"), None)
                self._go_on()
            case "task.waiting":
                rest.state = "waiting"
            case "agent.tool_call" | "agent.tool_result":
                rest.tool_calls.setdefault(text_of(data, "call_id"), {}).update(data)
            case "agent.artifact":
                rest.artifacts.append(data)
            case "task.completed" | "task.failed" | "task.cancelled":
                rest.state, rest.ending = _ENDS[kind], data
                rest.confirmations.clear()
                rest.client_tool_calls.clear()
            case "gap":
                # It tells a reader what is missing, and says nothing of the task.
                pass
            case _:
                rest.others[kind] = msgspec.json.decode(event.body)

    def snapshot(self) -> TaskSnapshot:
        messages, thinking = self._messages.joined(), self._thinking.joined()
        return msgspec.structs.replace(self._rest, messages=messages, thinking=thinking)

    def dump(self) -> bytes:
        return msgspec.json.encode(self.snapshot())

    def redact(self, key: ChannelKey, redaction: Redaction) -> None:
        rest, left = self._rest, partial(members_left, redaction, key)
        self._messages.redact(partial(_text_left, redaction, key, "agent.message"))
        self._thinking.redact(partial(_text_left, redaction, key, "agent.thinking"))
        turn: Members = {"turn": rest.turn, "prompt": rest.prompt}
        rest.prompt = text_of(left("task.turn_started", turn), "prompt")
        rest.started = left("task.started", rest.started)
        rest.plan = rest.plan and left_of(redaction, key, "plan.updated", rest.plan)
        rest.steps = {step_id: _step_left(redaction, key, step) for step_id, step in rest.steps.items()}
        rest.tool_calls = {call_id: left("agent.tool_result", call) for call_id, call in rest.tool_calls.items()}
        rest.confirmations = {step_id: left("step.confirm", data) for step_id, data in rest.confirmations.items()}
        calls = rest.client_tool_calls.items()
        rest.client_tool_calls = {call_id: left("agent.client_tool_call", call) for call_id, call in calls}
        rest.artifacts = [left_of(redaction, key, "agent.artifact", artifact) for artifact in rest.artifacts]
        rest.ending = left(f"task.{rest.state}", rest.ending)
        rest.others = {kind: left_of(redaction, key, kind, data) for kind, data in rest.others.items()}

    def load(self, dumped: bytes) -> None:
        self._rest = msgspec.json.decode(dumped, type=TaskSnapshot)
        self._messages, self._thinking = Texts(self._rest.messages), Texts(self._rest.thinking)

    def _go_on(self) -> None:
        if not self._rest.ending:
            self._rest.state = "waiting" if self._rest.confirmations or self._rest.client_tool_calls else "running"

    def _tell_of_step(self, kind: str, data: Members) -> None:
        step = self._rest.steps.setdefault(text_of(data, "step_id"), {})
        step.update(data)
        step["status"] = "running"
        if kind == "step.completed":
            step["status"] = "failed" if data.get("success") is False else "success"


def _text_left(redaction: Redaction, key: ChannelKey, event_type: str, merge_key: str, text: str) -> str:
    left = left_of(redaction, key, event_type, {"content": text}, merge_key)
    return text_of(left, "content") if isinstance(left, dict) else ""


def _step_left(redaction: Redaction, key: ChannelKey, step: Members) -> Members:
    """`status` is the fold's own, and no event's."""
    told = {name: value for name, value in step.items() if name != "status"}
    return {**members_left(redaction, key, "step.completed", told), "status": step.get("status")}
