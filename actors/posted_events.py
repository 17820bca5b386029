"""What an agent that runs elsewhere may post of its task."""

from __future__ import annotations

import msgspec

from actors.errors import CallboardError, ErrorCode
from actors.event import Draft, Json
from actors.task_context import RESERVED_TYPES
from actors.task_events import TASK_ENDS

_POSTABLE = TASK_ENDS | {"step.confirm"}


def checked_posts(drafts: tuple[Draft, ...]) -> tuple[Draft, ...]:
    """The drafts as they came. Raises CallboardError INVALID_PAYLOAD where an agent may not post them."""
    if not drafts:
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, "events is empty")
    for index, one in enumerate(drafts):
        if one.event_type in RESERVED_TYPES and one.event_type not in _POSTABLE:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"{one.event_type} is for the engine alone to emit")
        if one.event_type == "step.confirm" and not isinstance(fields_of(one).get("step_id"), str):
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, "step.confirm needs a string `step_id`")
        if one.event_type in TASK_ENDS and index != len(drafts) - 1:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"{one.event_type} ends the task: nothing may follow it")
        if one.event_type in TASK_ENDS:
            _check_last_word(one)
    return drafts


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
