"""Events that come in from outside, and how a lagging reader's may be merged."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from actors.event import Draft, Json, Merge, draft

_TEXT_TYPES = frozenset({"agent.message", "agent.thinking"})


class PostedEvent(msgspec.Struct, frozen=True):
    """`event_type` is a letter and up to 63 of `A-Z a-z 0-9 _ . : -`; `data` is any JSON."""

    event_type: str
    data: Any


def posted_draft(event_type: str, data: Json) -> Draft:
    """A draft that merges as the same event of an agent inside the engine would: streamed text, and a step's progress.

    Raises CallboardError INVALID_PAYLOAD for a bad type name.
    """
    if isinstance(data, dict) and event_type in _TEXT_TYPES and isinstance(data.get("content"), str):
        # Only pieces that differ in nothing but their text are one text: the others' members would be lost.
        rest = {name: value for name, value in data.items() if name != "content"}
        key = orjson.dumps(rest, option=orjson.OPT_SORT_KEYS).decode() if rest else ""
        return draft(event_type, data, merge=Merge.TEXT, merge_key=key)
    if isinstance(data, dict) and event_type == "step.progress" and isinstance(data.get("step_id"), str):
        return draft(event_type, data, merge=Merge.LAST, merge_key=str(data["step_id"]))
    return draft(event_type, data)
