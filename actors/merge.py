"""Fewer, larger events for a reader that lags, with every token in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import msgspec
import orjson

from actors.event import Event, Merge

if TYPE_CHECKING:
    from actors.event import Json


def merge_events(events: Sequence[Event]) -> list[Event]:
    """Merges runs of adjacent events of one log by their class; order and content stay.

    A merged event carries the last one's offset and timestamp, and the first one's offset as `first`.
    """
    merged: list[Event] = []
    start = 0
    for end in range(1, len(events) + 1):
        if end == len(events) or not _same_run(events[start], events[end]):
            merged.append(_merge_run(events[start:end]))
            start = end
    return merged


def _same_run(first: Event, other: Event) -> bool:
    return (
        first.merge is not Merge.NEVER
        and first.merge is other.merge
        and first.event_type == other.event_type
        and first.merge_key == other.merge_key
    )


def _merge_run(run: Sequence[Event]) -> Event:
    if len(run) == 1:
        return run[0]
    first, last = run[0], run[-1]
    body = _joined_text(run) if first.merge is Merge.TEXT else last.body
    return msgspec.structs.replace(last, first=first.first, body=body)


def _joined_text(run: Sequence[Event]) -> bytes:
    # `draft` has refused a text event without a string `content`, so every body here is an object that has one.
    bodies = [cast("dict[str, Json]", event.data) for event in run]
    content = "".join(cast("str", body["content"]) for body in bodies)
    return orjson.dumps({**bodies[0], "content": content})
