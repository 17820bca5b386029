"""The feeds of the dialects over kills: what they tell is what they tell without one."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.event import ChannelKey, Draft, Event, Json, Merge, draft
from actors.projection import Projection
from actors.redaction import TaskRedaction
from actors.resumption import Resumption
from actors.retention import Retention
from tests.support.kept_core import KeptCore, kept_core
from tests.support.memory_store import MemoryStore
from transport.dialects.pipeline_projection import RoomOptions, RoomProjection
from transport.dialects.steps_projection import StepsProjection
from transport.dialects.wallet_projection import WalletProjection

FEED = ChannelKey("feed", "f", "alice")
SESSION = ChannelKey("session", "s1", "alice")
CREATED = ChannelKey("system", "tasks", "alice")
KEPT = Retention(events=10_000)
_AT = 1_700_000_000_000


def _task(topic: str) -> ChannelKey:
    return ChannelKey("task", topic, "alice")


def _said(event_type: str, data: Json, merge: Merge = Merge.NEVER) -> Draft:
    return draft(event_type, data, merge=merge, timestamp=_AT)


def _script(task_id: str) -> list[tuple[ChannelKey, Draft]]:
    """A task of the conversation, from its question to its end."""
    key = _task(task_id)
    plan: Json = {"goal": "sum", "steps": [{"id": "a", "name": "add"}]}
    return [
        (SESSION, _said("chat.message", {"exec_id": task_id, "content": "query", "user_id": "alice"})),
        (CREATED, _said("task.created", {"task_id": task_id, "session_id": "s1"})),
        (key, _said("task.started", {"session_id": "s1"})),
        (key, _said("task.turn_started", {"turn": 1, "prompt": "query"})),
        (key, _said("plan.created", plan)),
        (key, _said("step.started", {"step_id": "a", "name": "add"})),
        *((key, _said("step.progress", {"step_id": "a", "progress": n / 4, "message": "on"})) for n in range(4)),
        *((key, _said("agent.message", {"content": f"{n} "}, Merge.TEXT)) for n in range(3)),
        *((SESSION, _said("output", {"exec_id": task_id, "content": f"{n} "}, Merge.TEXT)) for n in range(3)),
        (key, _said("step.completed", {"step_id": "a", "name": "add", "output": "3"})),
        (key, _said("agent.artifact", {"content": "table", "name": "t"})),
        (key, _said("task.completed", {"result": "0 1 2 ", "duration_ms": 5})),
        (SESSION, _said("message", {"role": "user", "content": "query", "task_id": task_id, "index": 0})),
        (SESSION, _said("message", {"role": "assistant", "content": "0 1 2 ", "task_id": task_id, "index": 1})),
        (SESSION, _said("done", {"exec_id": task_id, "state": "completed"})),
        (SESSION, _said("chat.read", {"message_id": 1, "user_id": "alice"})),
    ]


def _steps() -> Projection:
    return StepsProjection(0.1)


def _wallet() -> Projection:
    return WalletProjection(0)


def _room() -> Projection:
    return RoomProjection("person", "alice", RoomOptions())


def _open(core: KeptCore, make: Callable[[], Projection]) -> Projection:
    feed = core.feeds.open(FEED, KEPT, make)
    feed.add(CREATED, Resumption(0, None))
    if make is _room:
        feed.add(SESSION, Resumption(0, None))
    else:
        core.feeds.follow(feed, "session", "alice")
        core.feeds.follow(feed, "task", "alice")
    return feed.projection


def _tell(make: Callable[[], Projection], lives: list[list[tuple[ChannelKey, Draft]]], pause: float) -> list[Event]:
    """What the feed holds after all lives."""
    store = MemoryStore(seconds=0.01)

    async def run() -> None:
        for life in lives:
            async with kept_core(store) as core:
                _open(core, make)
                for key, one in life:
                    await core.channels.publish(key, one)
                    await trio.sleep(pause)
        async with kept_core(store) as core:
            _open(core, make)
            await trio.sleep(60)

    trio.run(run, clock=MockClock(autojump_threshold=0))
    return store.events(FEED)


def _lasting(events: list[Event]) -> list[tuple[str, Any]]:
    """All but what is only told so that one sees it grow: of that the last, where it stands alone."""
    told = [(event.event_type, event.merge, event.merge_key, json.loads(event.body)) for event in events]
    kept = []
    for index, (kind, merge, merge_key, data) in enumerate(told):
        later = [other for other in told[index + 1 :] if (other[0], other[2]) == (kind, merge_key)]
        if merge is not Merge.LAST or not later:
            kept.append((kind, data))
    return kept


def _by_subject(events: list[Event]) -> dict[str, list[str]]:
    """Of each task and of the conversation in order; how these lie between each other is nobody's business, and so is
    the status, which is that of the task begun last which runs."""
    found: dict[str, list[str]] = {}
    for kind, data in _lasting(events):
        if kind == "status":
            continue
        subject = (
            data.get("sessionId")
            or data.get("taskId")
            or data.get("task", {}).get("id")
            or str(data.get("message", {}).get("id"))
        )
        found.setdefault(str(subject), []).append(f"{kind} {json.dumps(data, sort_keys=True)}")
    return found


@pytest.mark.parametrize("make", [_steps, _wallet, _room])
@given(cuts=st.lists(st.integers(0, 40), max_size=4), pause=st.sampled_from([0.0, 0.03, 1.0]))
def test_kills_change_nothing_of_what_is_told(make: Callable[[], Projection], cuts: list[int], pause: float) -> None:
    script = [*_script("t1"), *_script("t2")]
    bounds = [0, *sorted(min(cut, len(script)) for cut in cuts), len(script)]
    lives = [script[begin:end] for begin, end in itertools.pairwise(bounds)]
    told, expected = _tell(make, lives, pause), _tell(make, [script], pause)
    if make is _room:
        assert _lasting(told) == _lasting(expected)
    else:
        assert _by_subject(told) == _by_subject(expected)


def test_the_last_progress_comes_before_the_step_s_end_also_after_a_kill() -> None:
    script = _script("t1")
    done = next(index for index, (_, one) in enumerate(script) if one.event_type == "step.completed")
    events = _tell(_steps, [script[:done], script[done:]], 0.0)
    kinds = [event.event_type for event in events]
    progress = [json.loads(event.body)["progress"] for event in events if event.event_type == "step:progress"]
    assert progress[-1] == 75
    assert max(i for i, kind in enumerate(kinds) if kind == "step:progress") < kinds.index("step:complete")


async def test_what_is_taken_back_is_not_in_what_is_kept_of_a_room(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    script = _script("t1")
    grown = next(index for index, (_, one) in enumerate(script) if one.event_type == "message")
    async with kept_core(store) as core:
        _open(core, _room)
        for key, one in script[:grown]:
            await core.channels.publish(key, one)
        await trio.sleep(10)
        assert b"0 1 2" in b"".join(body for _, body in await store.records("feed f alice"))
        redaction = TaskRedaction("t1", asked=True)
        await core.channels.redact(SESSION, redaction)
        await core.feeds.redact("alice", redaction)
        recalled: list[Json] = [
            {"message_id": number, "by": "alice", "echo": {}, "task_id": "t1", "role": role}
            for number, role in ((1, "user"), (2, "assistant"))
        ]
        await core.channels.publish(SESSION, *(_said("chat.recalled", one) for one in recalled))
        await trio.sleep(10)
    left = b"".join(body for _, body in await store.records("feed f alice"))
    left += b"".join(event.body for event in store.events(FEED))
    assert b"0 1 2" not in left
    assert b"query" not in left
