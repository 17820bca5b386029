"""The folds: the state at any offset and the events behind it come to the same as all events, to the byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.event import ChannelKey, Draft, Event, Json, Merge, draft
from actors.fold import Fold
from actors.log import Log
from actors.retention import Retention
from actors.session_fold import SessionFold
from actors.task_fold import TaskFold

TASK = ChannelKey("task", "task-1", "alice")
SESSION = ChannelKey("session", "session-1", "alice")

_NAMES = st.sampled_from(["", "a", "b", "é\u2028"])
_VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=5,
)
_MEMBERS = ["task_id", "turn", "prompt", "step_id", "call_id", "exec_id", "success", "progress", "name", "index"]
_DATA = _VALUES | st.dictionaries(st.sampled_from(_MEMBERS), _VALUES | _NAMES, max_size=5)
_TASK_TYPES = [
    "task.started",
    "task.turn_started",
    "task.turn_completed",
    "plan.created",
    "plan.updated",
    "step.started",
    "step.progress",
    "step.completed",
    "step.confirm",
    "step.confirmed",
    "agent.tool_call",
    "agent.tool_result",
    "agent.artifact",
    "task.completed",
    "task.failed",
    "task.cancelled",
    "gap",
    "custom",
]
_SESSION_TYPES = ["message", "input", "chat.message", "done", "chat.reset", "chat.read", "gap", "custom"]


def drafts(types: Sequence[str], text_types: Sequence[str], key: str) -> st.SearchStrategy[list[Draft]]:
    plain = st.builds(draft, st.sampled_from(types), _DATA)

    def text(event_type: str, piece: str, name: str) -> Draft:
        return draft(event_type, {"content": piece, key: name}, merge=Merge.TEXT, merge_key=name)

    texts = st.builds(text, st.sampled_from(text_types), st.text(max_size=4), _NAMES)
    return st.lists(plain | texts, max_size=40)


def folded(make: Callable[[], Fold], key: ChannelKey, emitted: list[Draft]) -> tuple[list[Event], Fold]:
    log = Log(key, Retention())
    events = [log.append(each) for each in emitted]
    whole = make()
    for event in events:
        whole.apply(event)
    return events, whole


def check_every_cut(make: Callable[[], Fold], key: ChannelKey, emitted: list[Draft]) -> None:
    events, whole = folded(make, key, emitted)
    for cut in range(len(events) + 1):
        head = make()
        for event in events[:cut]:
            head.apply(event)
        tail = make()
        tail.load(head.dump())
        assert tail.dump() == head.dump()
        for event in events[cut:]:
            tail.apply(event)
            head.apply(event)
        assert tail.dump() == whole.dump() == head.dump()


@given(drafts(_TASK_TYPES, ["agent.message", "agent.thinking", "custom.text"], "x"))
def test_a_task_folds_to_the_same_from_any_snapshot(emitted: list[Draft]) -> None:
    check_every_cut(TaskFold, TASK, emitted)


@given(drafts(_SESSION_TYPES, ["output"], "exec_id"))
def test_a_session_folds_to_the_same_from_any_snapshot(emitted: list[Draft]) -> None:
    check_every_cut(SessionFold, SESSION, emitted)


@given(drafts(_TASK_TYPES, ["agent.message"], "x"))
def test_snapshots_of_two_folds_share_nothing(emitted: list[Draft]) -> None:
    events, whole = folded(TaskFold, TASK, emitted)
    before = whole.dump()
    taken = TaskFold()
    taken.load(before)
    for event in events:
        taken.apply(event)
    assert whole.dump() == before


def test_a_turn_that_is_no_number_is_none() -> None:
    _, whole = folded(
        TaskFold, TASK, [draft("task.turn_started", {"turn": 2}), draft("task.turn_started", {"turn": True})]
    )
    taken = TaskFold()
    taken.load(whole.dump())
    assert taken.snapshot().turn == 2


def test_what_a_task_comes_to() -> None:
    emitted = [
        draft("task.started", {"task_id": "task-1", "agent": "offline"}),
        draft("task.turn_started", {"turn": 1, "prompt": "go"}),
        draft("agent.thinking", {"content": "hm"}, merge=Merge.TEXT, merge_key="t"),
        draft("plan.created", {"goal": "g", "steps": [{"id": "s1"}]}),
        draft("step.started", {"step_id": "s1", "name": "One"}),
        draft("step.progress", {"step_id": "s1", "progress": 0.5}, merge=Merge.LAST, merge_key="s1"),
        draft("step.confirm", {"step_id": "s1", "reason": "May I?"}),
    ]
    _, fold = folded(TaskFold, TASK, emitted)
    waiting = msgspec.json.decode(fold.dump())
    assert waiting["state"] == "waiting"
    assert waiting["confirmations"] == {"s1": {"step_id": "s1", "reason": "May I?"}}
    emitted += [
        draft("step.confirmed", {"step_id": "s1", "approved": True, "by": "alice"}),
        draft("agent.tool_call", {"call_id": "c1", "name": "clock", "arguments": {}}),
        draft("agent.tool_result", {"call_id": "c1", "name": "clock", "success": True, "result": 12}),
        draft("agent.message", {"content": "It is "}, merge=Merge.TEXT, merge_key="m"),
        draft("agent.message", {"content": "noon."}, merge=Merge.TEXT, merge_key="m"),
        draft("step.completed", {"step_id": "s1", "name": "One", "success": True, "output": 12}),
        draft("agent.artifact", {"name": "a.txt", "media_type": "text/plain", "content": "x"}),
        draft("weather", {"sun": True}),
        draft("task.completed", {"task_id": "task-1", "result": "It is noon."}),
    ]
    _, fold = folded(TaskFold, TASK, emitted)
    assert msgspec.json.decode(fold.dump()) == {
        "state": "completed",
        "turn": 1,
        "prompt": "go",
        "started": {"task_id": "task-1", "agent": "offline"},
        "messages": {"m": "It is noon."},
        "thinking": {"t": "hm"},
        "plan": {"goal": "g", "steps": [{"id": "s1"}]},
        "steps": {
            "s1": {"step_id": "s1", "name": "One", "progress": 0.5, "success": True, "output": 12, "status": "success"}
        },
        "tool_calls": {"c1": {"call_id": "c1", "name": "clock", "arguments": {}, "success": True, "result": 12}},
        "confirmations": {},
        "client_tool_calls": {},
        "artifacts": [{"name": "a.txt", "media_type": "text/plain", "content": "x"}],
        "ending": {"task_id": "task-1", "result": "It is noon."},
        "others": {"weather": {"sun": True}},
    }


def test_what_a_session_comes_to() -> None:
    emitted = [
        draft("input", {"exec_id": "task-1", "turn": 1, "content": "hi"}),
        draft("output", {"exec_id": "task-1", "content": "hel"}, merge=Merge.TEXT, merge_key="m"),
        draft("output", {"exec_id": "task-1", "content": "lo"}, merge=Merge.TEXT, merge_key="m"),
        draft("input", {"exec_id": "task-2", "turn": 1, "content": "and?"}),
        draft("message", {"role": "user", "content": "hi", "task_id": "task-1", "index": 0}),
    ]
    _, fold = folded(SessionFold, SESSION, emitted)
    going_on = msgspec.json.decode(fold.dump())
    assert going_on["answers"] == {"task-1": "hello"}
    assert list(going_on["asked"]) == ["task-1", "task-2"]
    _, fold = folded(SessionFold, SESSION, [*emitted, draft("done", {"exec_id": "task-1", "state": "completed"})])
    assert msgspec.json.decode(fold.dump()) == {
        "messages": [{"role": "user", "content": "hi", "task_id": "task-1", "index": 0}],
        "asked": {"task-2": {"exec_id": "task-2", "turn": 1, "content": "and?"}},
        "answers": {},
        "others": {},
    }


@pytest.mark.parametrize("make", [TaskFold, SessionFold])
def test_refuses_what_is_no_snapshot(make: Callable[[], Fold]) -> None:
    with pytest.raises(msgspec.DecodeError):
        make().load(b'{"messages": 1}')
