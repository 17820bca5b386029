"""What an agent that runs elsewhere may post of its task."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import trio

from actors.answer_events import ANSWER_TYPE, streamed_text
from actors.errors import CallboardError, ErrorCode
from actors.event import Draft, Json, encode_json, now_ms
from actors.question_kind import Kind
from actors.questions import Question
from actors.reserved_types import RESERVED_TYPES
from actors.task_events import TASK_ENDS
from actors.task_services import TaskServices

_ASKING = {kind.asks: kind for kind in Kind}
_POSTABLE = TASK_ENDS | _ASKING.keys()


def checked_posts(drafts: tuple[Draft, ...]) -> tuple[Draft, ...]:
    """The drafts as they came. Raises CallboardError INVALID_PAYLOAD where an agent may not post them."""
    if not drafts:
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, "events is empty")
    for index, one in enumerate(drafts):
        if one.event_type in RESERVED_TYPES and one.event_type not in _POSTABLE:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"{one.event_type} is for the engine alone to emit")
        if (kind := _ASKING.get(one.event_type)) is not None:
            _check_question(kind, one)
        if one.event_type in TASK_ENDS and index != len(drafts) - 1:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"{one.event_type} ends the task: nothing may follow it")
        if one.event_type in TASK_ENDS:
            _check_last_word(one)
    return drafts


def asked_in(drafts: Sequence[Draft], services: TaskServices) -> list[Draft | Question]:
    """The drafts as they came, those that ask as open questions: until their `expires_at` (Unix milliseconds), or as
    long as the engine lets its own agents ask, which is then in the event. Raises CallboardError TOO_LARGE."""
    return [one if (kind := _ASKING.get(one.event_type)) is None else _asked(kind, one, services) for one in drafts]


def _asked(kind: Kind, posted: Draft, services: TaskServices) -> Question:
    fields = fields_of(posted)
    seconds = services.confirm_seconds if kind is Kind.STEP else services.client_tool_seconds
    most = None if kind is Kind.STEP else services.client_tool_bytes
    expires_at = fields.get("expires_at")
    if isinstance(expires_at, int):
        seconds = (expires_at - now_ms()) / 1000
    else:
        body = encode_json(posted.event_type, {**fields, "expires_at": now_ms() + round(seconds * 1000)})
        posted = msgspec.structs.replace(posted, body=body)
    if most is not None and len(posted.body) > most:
        message = f"{posted.event_type} is at most {most} bytes (limits.client_tool_bytes)"
        raise CallboardError(ErrorCode.TOO_LARGE, message)
    return Question(kind, str(fields[kind.names]), posted, trio.current_time() + seconds, most)


def _check_question(kind: Kind, posted: Draft) -> None:
    fields = fields_of(posted)
    needed = (kind.names, "name") if kind is Kind.TOOL_CALL else (kind.names,)
    for name in needed:
        if not isinstance(fields.get(name), str):
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"{posted.event_type} needs a string `{name}`")
    expires_at = fields.get("expires_at")
    if isinstance(expires_at, bool) or not isinstance(expires_at, int | None):
        message = f"`expires_at` of {posted.event_type} is Unix milliseconds, as an integer"
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, message)


def _check_last_word(posted: Draft) -> None:
    """An answer in a form that is not read would be lost in silence."""
    data = msgspec.json.decode(posted.body)
    if data is None:
        return
    if not isinstance(data, dict):
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"data of {posted.event_type} is an object or null")
    for name in ("result", "error", "cause"):
        if not isinstance(data.get(name), str | None):
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"`{name}` of {posted.event_type} is a string")


def fields_of(posted: Draft) -> dict[str, Json]:
    """Its data; none where that is no object."""
    data = msgspec.json.decode(posted.body)
    return data if isinstance(data, dict) else {}


def text_of(posted: Draft) -> str:
    """The piece of the answer in it; empty where there is none."""
    return streamed_text(fields_of(posted)) if posted.event_type == ANSWER_TYPE else ""
