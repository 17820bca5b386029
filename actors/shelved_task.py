"""A task that ended in an earlier life of the engine and that nobody has asked for since."""

from __future__ import annotations

import sys

import msgspec

from actors.commands import TaskState


class ShelvedTask(msgspec.Struct, frozen=True, gc=False):
    """`body` is its record as it is kept; the rest is by what it is sorted and found. So a hundred thousand of them
    cost the start their reading, and the memory little more than their records."""

    id: str
    serial: int
    user_id: str
    session_id: str | None
    state: TaskState
    ended_at: int
    body: bytes


class _End(msgspec.Struct, frozen=True, gc=False):
    state: TaskState


class _Outline(msgspec.Struct, frozen=True, gc=False):
    """Of an actors.kept_task.KeptTask what is needed here."""

    id: str
    serial: int
    user_id: str
    session_id: str | None = None
    ended_at: int | None = None
    ending: _End | None = None


_DECODER = msgspec.json.Decoder(_Outline)


def shelved(body: bytes) -> ShelvedTask | None:
    """The task of a record; None where how it ends is not decided. Raises msgspec.DecodeError."""
    found = _DECODER.decode(body)
    if found.ending is None:
        return None
    user_id = sys.intern(found.user_id)
    session_id = None if found.session_id is None else sys.intern(found.session_id)
    return ShelvedTask(found.id, found.serial, user_id, session_id, found.ending.state, found.ended_at or 0, body)
