"""The events of a session that a room makes something of, and the form that each must have."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from actors.event import Event


class Said(msgspec.Struct):
    exec_id: str
    content: str
    user_id: str
    connection_id: str = ""
    chain: list[Any] | None = None
    stream: bool = True
    echo: dict[str, Any] = {}


class Input(msgspec.Struct):
    exec_id: str
    turn: int
    content: str


class Output(msgspec.Struct):
    exec_id: str
    content: str
    redacted: bool = False


class Spoken(msgspec.Struct):
    role: str
    content: str
    task_id: str


class Done(msgspec.Struct):
    exec_id: str
    state: str
    error: str | None = None


class Broadcast(msgspec.Struct):
    message: str


class Recalled(msgspec.Struct):
    message_id: int
    by: str
    echo: dict[str, Any] = {}


class ReadUpTo(msgspec.Struct):
    message_id: int
    user_id: str
    echo: dict[str, Any] = {}


_E = TypeVar("_E", bound=msgspec.Struct)


def read_event(event: Event, kind: type[_E]) -> _E | None:
    """The event's data; None where it is not in that form: who may publish may publish anything."""
    try:
        return msgspec.json.decode(event.body, type=kind)
    except msgspec.DecodeError:
        return None
