"""What a client of the agent dialect asks: from its frames to typed commands. Pure functions."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from actors.commands import AnswerToolCall, ConfirmStep, QuestionAnswer, Start
from actors.errors import CallboardError
from actors.event import Json
from actors.position import Position
from actors.questions import ToolFailed, ToolReturned

Echo: TypeAlias = tuple[tuple[str, str | int | float], ...]
"""What a client named its request, as `request_id` or as `id`, echoed on every frame that answers it."""

WholeChannel: TypeAlias = Literal["task", "session", "system"]

MOST_HISTORY = 1_000

_QUOTED = 64
_LARGEST_ID = 1 << 63


class Ping(msgspec.Struct, frozen=True):
    pass


class Cancel(msgspec.Struct, frozen=True):
    """`task_id` None for what the connection itself has asked for."""

    task_id: str | None = None


class Query(msgspec.Struct, frozen=True):
    """`session_id` is None for the connection's own conversation."""

    query: str
    streaming: bool
    session_id: str | None = None


class ToolCall(msgspec.Struct, frozen=True):
    name: str
    params: Json


class Topic(msgspec.Struct, frozen=True):
    """A task or a session of the client's, or a room."""

    channel: Literal["task", "session", "room"]
    name: str


class Watch(msgspec.Struct, frozen=True):
    """`snapshot`: begins with what the task or session has come to, where it does not go on from a position without a
    gap."""

    topic: Topic
    start: Start
    snapshot: bool = False


class WatchAll(msgspec.Struct, frozen=True):
    """All tasks, or all sessions, that the client may see, those to come included; or the news of the engine."""

    channel: WholeChannel


class Unwatch(msgspec.Struct, frozen=True):
    topic: Topic


class UnwatchAll(msgspec.Struct, frozen=True):
    """Lets those go too that were asked for one by one."""

    channel: WholeChannel


class History(msgspec.Struct, frozen=True):
    topic: Topic
    start: Start
    limit: int


class JoinRoom(msgspec.Struct, frozen=True):
    room: str
    start: Start


class LeaveRoom(msgspec.Struct, frozen=True):
    room: str


class TalkInRoom(msgspec.Struct, frozen=True):
    room: str
    content: str


class ListMembers(msgspec.Struct, frozen=True):
    room: str


RoomCommand: TypeAlias = JoinRoom | LeaveRoom | TalkInRoom | ListMembers
WatchCommand: TypeAlias = Watch | WatchAll | Unwatch | UnwatchAll
Command: TypeAlias = Ping | Cancel | Query | ToolCall | QuestionAnswer | WatchCommand | History | RoomCommand


class Request(msgspec.Struct, frozen=True):
    echo: Echo
    command: Command


class RefusedError(Exception):
    """A frame that is no request; the text is what the client is told."""

    def __init__(self, echo: Echo, message: str) -> None:
        super().__init__(message)
        self.echo = echo
        self.message = message


def decode(text: str) -> Request:
    """The request in a text frame. Raises RefusedError, and nothing else, for anything that is none."""
    try:
        frame = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RefusedError((), "Invalid JSON format") from error
    if not isinstance(frame, dict):
        raise RefusedError((), "Invalid JSON format")
    echo = tuple((name, frame[name]) for name in ("request_id", "id") if _is_id(frame.get(name)))
    try:
        return Request(echo, _command(frame))
    except CallboardError as error:
        raise RefusedError(echo, error.message) from error
    except ValueError as error:
        raise RefusedError(echo, str(error)) from error


def _is_id(value: object) -> bool:
    match value:
        case bool():
            return False
        case int():
            return -_LARGEST_ID <= value < _LARGEST_ID
        case _:
            return isinstance(value, str | float)


def _command(frame: dict[str, Json]) -> Command:
    match kind := frame.get("type"):
        case "ping":
            return Ping()
        case "cancel":
            return Cancel(_optional_text(frame, "task_id"))
        case "agent_query":
            return _query(frame, streaming=False)
        case "streaming_query":
            return _query(frame, streaming=True)
        case "tool_call":
            return _tool_call(frame)
        case "confirm":
            return _confirm(frame)
        case "client_tool_result":
            return _client_tool_result(frame)
        case "watch":
            channel, snapshot = _whole_channel(frame), _flag(frame, "snapshot")
            if channel is None:
                return Watch(_topic(frame), _start(frame, "live"), snapshot)
            if snapshot:
                raise ValueError("snapshot is for one task_id or session_id")
            return WatchAll(channel)
        case "unwatch":
            channel = _whole_channel(frame)
            return Unwatch(_topic(frame)) if channel is None else UnwatchAll(channel)
        case "history":
            topic = Topic("room", _text(frame, "room")) if "room" in frame else _topic(frame)
            return History(topic, _start(frame, "oldest"), _limit(frame))
        case "room_join":
            return JoinRoom(_text(frame, "room"), _start(frame, "live"))
        case "room_leave":
            return LeaveRoom(_text(frame, "room"))
        case "room_message":
            return TalkInRoom(_text(frame, "room"), _text(frame, "content"))
        case "room_members":
            return ListMembers(_text(frame, "room"))
        case str():
            raise ValueError(f"Unknown message type: {kind[:_QUOTED]}")
        case _:
            raise ValueError(f"Unknown message type: {msgspec.json.encode(kind).decode()[:_QUOTED]}")


def _query(frame: dict[str, Json], *, streaming: bool) -> Query:
    query = frame.get("query")
    if not isinstance(query, str) or not query.strip():
        raise ValueError("Query is required")
    return Query(query, streaming, _optional_text(frame, "session_id"))


def _tool_call(frame: dict[str, Json]) -> ToolCall:
    name = frame.get("tool_name")
    if not isinstance(name, str) or not name:
        raise ValueError("Tool name is required")
    return ToolCall(name, frame.get("params"))


def _confirm(frame: dict[str, Json]) -> ConfirmStep:
    approved = frame.get("approved")
    if not isinstance(approved, bool):
        raise ValueError("approved is true or false")
    return ConfirmStep(_text(frame, "task_id"), _text(frame, "step_id"), approved)


def _client_tool_result(frame: dict[str, Json]) -> AnswerToolCall:
    error = _optional_text(frame, "error")
    if (error is None) is ("result" not in frame):
        raise ValueError("One of result and error is required")
    answer = ToolReturned(frame["result"]) if error is None else ToolFailed(error)
    return AnswerToolCall(_text(frame, "task_id"), _text(frame, "call_id"), answer)


def _topic(frame: dict[str, Json]) -> Topic:
    task_id, session_id = _optional_text(frame, "task_id"), _optional_text(frame, "session_id")
    if task_id is not None and session_id is None:
        return Topic("task", task_id)
    if session_id is not None and task_id is None:
        return Topic("session", session_id)
    raise ValueError("One of task_id and session_id is required")


def _whole_channel(frame: dict[str, Json]) -> WholeChannel | None:
    match frame.get("channel"):
        case None:
            return None
        case "task":
            return "task"
        case "session":
            return "session"
        case "system":
            return "system"
    raise ValueError("channel is task, session or system")


def _start(frame: dict[str, Json], default: Start) -> Start:
    since = _optional_text(frame, "since")
    if since is None:
        return default
    return "oldest" if since == "0" else Position.parse(since)


def _limit(frame: dict[str, Json]) -> int:
    match frame.get("limit"):
        case None:
            return MOST_HISTORY
        case bool():
            pass
        case int(limit) if 1 <= limit <= MOST_HISTORY:
            return limit
    raise ValueError(f"limit is a number from 1 to {MOST_HISTORY}")


def _text(frame: dict[str, Json], name: str) -> str:
    value = frame.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is required")
    return value


def _flag(frame: dict[str, Json], name: str) -> bool:
    value = frame.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is true or false")
    return value


def _optional_text(frame: dict[str, Json], name: str) -> str | None:
    value = frame.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is a string")
    return value
