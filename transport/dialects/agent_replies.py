"""What the agent dialect answers: each reply as one text frame. Pure functions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import assert_never

import msgspec

from actors.admission import Admission
from actors.commands import AnswerToolCall, ConfirmStep, HistoryPage, QuestionAnswer
from actors.event import Json
from actors.merge import merge_events
from transport.dialects.agent import Echo, Query, Request, Topic
from transport.dialects.agent_events import TOPIC_NAMES, event_message
from transport.text_frame import text_frame


def frame(echo: Echo, kind: str, **fields: Json) -> bytes:
    """`{"type", …, "timestamp"}` and what the client named its request; the time is Unix seconds."""
    return text_frame(msgspec.json.encode({"type": kind, **fields, **dict(echo), "timestamp": time.time()}))


def connected(connection_id: str) -> bytes:
    return frame((), "connected", connection_id=connection_id, message="Connected to Agent WebSocket")


def error(echo: Echo, message: str, details: Mapping[str, Json] | None = None) -> bytes:
    """`details`: what a program may want to know; left out where there are none."""
    return frame(echo, "error", error=message, **({"details": dict(details)} if details else {}))


def answer_taken(echo: Echo, command: QuestionAnswer) -> bytes:
    """It was the first."""
    match command:
        case ConfirmStep(task_id=task_id, step_id=step_id, approved=approved):
            return frame(echo, "confirmed", task_id=task_id, step_id=step_id, approved=approved)
        case AnswerToolCall(task_id=task_id, call_id=call_id):
            return frame(echo, "client_tool_answered", task_id=task_id, call_id=call_id)
        case _:
            assert_never(command)


def failed(request: Request, message: str) -> bytes:
    """What went wrong with a request, in the words that its type has for that."""
    match request.command:
        case Query(streaming=True):
            return error(request.echo, f"Streaming failed: {message}")
        case Query():
            return error(request.echo, f"Query failed: {message}")
        case _:
            return error(request.echo, f"Tool call failed: {message}")


def cancelled(echo: Echo, requests: Sequence[Echo]) -> bytes:
    """`requests`: what those that are dropped by it were named, the running one first."""
    return frame(echo, "cancelled", requests=[dict(each) for each in requests])


def watching(echo: Echo, topic: Topic, admission: Admission) -> bytes:
    position = f"{admission.epoch}:{admission.start.offset}"
    return frame(echo, "watching", **_named(topic), position=position, recovered=admission.recovered)


def unwatched(echo: Echo, topic: Topic) -> bytes:
    return frame(echo, "unwatched", **_named(topic))


def history(echo: Echo, topic: Topic, page: HistoryPage) -> bytes:
    """`frames` are what a watcher would have been sent, pieces of a text joined."""
    message = {
        "type": "history",
        **_named(topic),
        "frames": [msgspec.Raw(event_message(event)) for event in merge_events(page.events)],
        "position": str(page.position),
        "recovered": page.gap is None,
        "more": page.more,
        **dict(echo),
        "timestamp": time.time(),
    }
    return text_frame(msgspec.json.encode(message))


def _named(topic: Topic) -> dict[str, Json]:
    return {TOPIC_NAMES[topic.channel]: topic.name}
