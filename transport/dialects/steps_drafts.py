"""Drafts of what the steps dialect says."""

from __future__ import annotations

from collections.abc import Mapping

from actors.errors import CallboardError
from actors.event import Draft, Json, Merge, draft

_DEEPEST = 100


def told(kind: str, data: Mapping[str, Json], at: int, *, merge_key: str = "") -> Draft:
    """A draft of `data` at a time in Unix milliseconds. With a `merge_key` a client that lags gets the last one alone.

    What an agent gave may nest as deep as JSON can, and is too deep once it is part of something: its depths are null.
    """
    merge = Merge.LAST if merge_key else Merge.NEVER
    try:
        return draft(kind, dict(data), merge=merge, merge_key=merge_key, timestamp=at)
    except CallboardError:
        return draft(kind, _cut(dict(data), _DEEPEST), merge=merge, merge_key=merge_key, timestamp=at)


def _cut(value: Json, depth: int) -> Json:
    match value:
        case dict():
            return {key: _cut(each, depth - 1) for key, each in value.items()} if depth else None
        case list():
            return [_cut(each, depth - 1) for each in value] if depth else None
        case _:
            return value
