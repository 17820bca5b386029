"""Everything that the engine says, and what agents and publishers add to it, as each dialect sends it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from hypothesis import strategies as st

from actors.event import ChannelKey, Event, Json, draft
from actors.log import Log
from actors.projection import Projection
from actors.retention import Retention
from tests.transport.json_values import proper_values
from transport.dialects.agent_events import AgentEncoder
from transport.dialects.gateway_events import GatewayPayload
from transport.dialects.gateway_replies import WebSocketEncoder
from transport.dialects.pipeline_projection import RoomOptions, RoomProjection
from transport.dialects.pipeline_replies import PipelineFrames
from transport.dialects.steps_events import FrameEncoder
from transport.dialects.steps_projection import StepsProjection
from transport.dialects.wallet_frames import WalletEncoder
from transport.dialects.wallet_projection import WalletProjection

TASK = ChannelKey("task", "task-1", "alice")
SESSION = ChannelKey("session", "session-1", "alice")
TASKS = ChannelKey("system", "tasks", "alice")
NEWS = ChannelKey("app", "news")
ROOM = ChannelKey("room", "lobby")
AT = 1_738_065_600_000

Said: TypeAlias = tuple[ChannelKey, str, Json]
"""A topic, an event's type, and its data."""

WELL_FORMED: list[Said] = [
    (TASKS, "task.created", {"task_id": "task-1", "agent": "a", "session_id": "session-1"}),
    (TASK, "task.started", {"task_id": "task-1", "agent": "a", "session_id": None}),
    (TASK, "task.turn_started", {"task_id": "task-1", "turn": 1, "prompt": "hi"}),
    (TASK, "agent.thinking", {"content": "hm"}),
    (TASK, "plan.created", {"goal": "g", "steps": [{"id": "s1", "name": "One", "description": "", "type": "tool"}]}),
    (TASK, "plan.updated", {"steps": [{"id": "s1", "name": "One"}, {"id": "s2", "name": "Two"}]}),
    (TASK, "step.started", {"step_id": "s1", "name": "One"}),
    (TASK, "agent.tool_call", {"call_id": "c1", "name": "echo", "arguments": {"a": [1]}}),
    (TASK, "agent.tool_result", {"call_id": "c1", "name": "echo", "result": {"a": [1]}, "success": True}),
    (TASK, "step.progress", {"step_id": "s1", "progress": 0.5, "message": "half"}),
    (TASK, "step.confirm", {"step_id": "s1", "step_name": "One", "reason": "?", "expires_at": AT}),
    (TASK, "step.confirmed", {"step_id": "s1", "approved": True, "by": "alice"}),
    (TASK, "agent.client_tool_call", {"call_id": "c2", "name": "clip", "arguments": [1], "expires_at": AT}),
    (TASK, "agent.client_tool_result", {"call_id": "c2", "success": True, "result": "x", "by": "alice"}),
    (TASK, "step.completed", {"step_id": "s1", "name": "One", "success": True, "output": 408}),
    (TASK, "step.failed", {"step_id": "s2", "name": "Two", "error": "no"}),
    (TASK, "agent.message", {"content": "12*34"}),
    (TASK, "agent.artifact", {"name": "r.md", "media_type": "text/markdown", "content": "# r"}),
    (TASK, "my.own", {"anything": [None, 1.5]}),
    (TASK, "task.turn_completed", {"task_id": "task-1", "turn": 1, "result": "12*34"}),
    (TASK, "task.completed", {"task_id": "task-1", "result": "12*34", "data": None, "turns": 1, "duration_ms": 7}),
    (TASK, "task.failed", {"task_id": "task-1", "error": "no luck", "cause": "requested"}),
    (TASK, "task.cancelled", {"task_id": "task-1", "reason": "requested"}),
    (SESSION, "input", {"exec_id": "task-1", "content": "hi", "turn": 1}),
    (SESSION, "chat.message", {"exec_id": "task-1", "content": "hi", "user_id": "bob", "stream": True}),
    (SESSION, "output", {"exec_id": "task-1", "content": "12*34"}),
    (SESSION, "message", {"role": "user", "content": "hi", "task_id": "task-1", "index": 0}),
    (SESSION, "message", {"role": "assistant", "content": "12*34", "task_id": "task-1", "index": 1}),
    (SESSION, "done", {"exec_id": "task-1", "state": "completed"}),
    (SESSION, "done", {"exec_id": "task-1", "state": "failed", "error": "no luck"}),
    (SESSION, "done", {"exec_id": "task-1", "state": "cancelled"}),
    (SESSION, "broadcast", {"message": "all", "content": "all"}),
    (SESSION, "chat.recalled", {"message_id": 1, "by": "bob"}),
    (SESSION, "chat.read", {"message_id": 1, "user_id": "bob"}),
    (SESSION, "chat.reset", {}),
    (TASKS, "agent.created", {"name": "a"}),
    (TASKS, "session.created", {"session_id": "session-1"}),
    (TASKS, "batch.created", {"batch_id": "b"}),
    (TASKS, "alert", {"id": "x", "message": "hot"}),
    (NEWS, "note", {"text": "hi"}),
    (NEWS, "note", [1, None, "x"]),
    (ROOM, "room.message", {"user_id": "bob", "content": "hi"}),
    (ROOM, "member.joined", {"user_id": "bob"}),
    (ROOM, "member.left", {"user_id": "bob"}),
    (TASK, "gap", {"from": 1, "to": 4, "reason": "retention"}),
    (TASK, "gap", {"mind": "it"}),
]
"""One of each kind, as the engine and its agents say it."""

_KEYS = st.sampled_from([TASK, SESSION, TASKS, NEWS, ROOM])
_KINDS = st.sampled_from(sorted({kind for _, kind, _ in WELL_FORMED})) | st.from_regex(
    r"[a-z]{1,8}(\.[a-z_]{1,8})?", fullmatch=True
)
_MEMBERS = st.sampled_from(
    sorted({name for _, _, data in WELL_FORMED if isinstance(data, dict) for name in data} | {"connection_id", "echo"})
)


def _with_one_changed(said: Said, name: str, value: Json) -> Said:
    key, kind, data = said
    return (key, kind, {**data, name: value} if isinstance(data, dict) else value)


said_events = st.lists(
    st.one_of(
        st.sampled_from(WELL_FORMED),
        st.builds(_with_one_changed, st.sampled_from(WELL_FORMED), _MEMBERS, proper_values),
        st.tuples(_KEYS, _KINDS, st.dictionaries(_MEMBERS, proper_values) | proper_values),
    ),
    max_size=25,
)
"""What may be said, well-formed, nearly so, and not at all, in any order."""


def logged(said: Iterable[Said]) -> list[Event]:
    logs: dict[ChannelKey, Log] = {}
    return [
        logs.setdefault(key, Log(key, Retention(seconds=1e12), epoch="e1")).append(draft(kind, data, timestamp=AT))
        for key, kind, data in said
    ]


def frames_of(dialect: str, events: Iterable[Event]) -> list[bytes]:
    """All frames that a client which sees everything gets, without those that are left out."""
    match dialect:
        case "gateway":
            encoder = WebSocketEncoder(GatewayPayload())
            found = [encoder.encode(event) for event in events]
        case "agent":
            found = [AgentEncoder().encode(event) for event in events]
        case "steps":
            tasks = [event for event in events if event.key == TASK]
            found = [FrameEncoder().encode(event) for event in feed_of(StepsProjection(0.1), tasks)]
        case "pipeline":
            room = RoomProjection("person", "alice", RoomOptions())
            session = [event for event in events if event.key == SESSION]
            found = [PipelineFrames().encode(event) for event in feed_of(room, session)]
        case "wallet":
            seen = [event for event in events if event.key in (TASK, SESSION, TASKS)]
            found = [WalletEncoder().encode(event) for event in feed_of(WalletProjection(0), seen)]
        case _:
            raise ValueError(dialect)
    return [frame for frame in found if frame]


def feed_of(projection: Projection, events: Iterable[Event]) -> Iterator[Event]:
    """What a feed keeps of these events."""
    feed = Log(ChannelKey("feed", "f", "alice"), Retention(seconds=1e12), epoch="f1")
    ended = False
    for number, event in enumerate(events):
        # A feed lets a task go at its last event.
        if event.key == TASK and ended:
            continue
        ended = ended or event.event_type in ("task.completed", "task.failed", "task.cancelled")
        for one in projection.project(event, number * 0.04):
            yield feed.append(one)
    if projection.due < math.inf:
        for one in projection.flush(1e9):
            yield feed.append(one)


def text_of(frame: bytes) -> bytes:
    """The payload of one whole text frame, whose announced length it has."""
    size, start = frame[1], 2
    if size > 125:
        start = 4 if size == 126 else 10
        size = int.from_bytes(frame[2:start], "big")
    assert (frame[0], len(frame)) == (0x81, start + size)
    return frame[start:]
