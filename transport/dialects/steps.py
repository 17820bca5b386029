"""What a client of the steps dialect asks: from its messages to typed commands. Pure functions."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
import orjson
from msgspec import Meta

from actors.errors import CallboardError, ErrorCode
from actors.event import Json
from actors.questions import ToolFailed, ToolReturned
from transport.dialects.tool_answer import ToolAnswer

Name: TypeAlias = "str | int | float"
Text = Annotated[str, Meta(min_length=1)]


class Echo(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a client named its request, repeated on every reply: as `id`, as `request_id`, or not at all."""

    id: Name | None = None
    request_id: Name | None = None

    def __bool__(self) -> bool:
        return self.id is not None or self.request_id is not None


class SubmitTask(msgspec.Struct, frozen=True):
    """With a session the task reads and extends that conversation. `agent` None for the session's, or without one for
    the engine's default one."""

    task: str
    context: dict[str, Json]
    agent: str | None = None
    session_id: str | None = None


class CancelTask(msgspec.Struct, frozen=True):
    """`task_id` None for the one that runs."""

    task_id: str | None


class ConfirmStep(msgspec.Struct, frozen=True):
    """`task_id` None for the one whose step of that name waits."""

    step_id: str
    approved: bool
    task_id: str | None


class ToolResult(msgspec.Struct, frozen=True):
    """What came of a `waiting:tool`. `task_id` None for the task that waits for a call of that name."""

    call_id: str
    answer: ToolReturned | ToolFailed
    task_id: str | None


class GetTools(msgspec.Struct, frozen=True):
    pass


class Ping(msgspec.Struct, frozen=True):
    pass


Command: TypeAlias = SubmitTask | CancelTask | ConfirmStep | ToolResult | GetTools | Ping


class Request(msgspec.Struct, frozen=True):
    echo: Echo
    command: Command


class RefusedError(Exception):
    """A message that is no request. `echo` is what it is named, where that could be read."""

    def __init__(self, echo: Echo, error: CallboardError) -> None:
        super().__init__(error.message)
        self.echo = echo
        self.error = error


class _SubmitData(msgspec.Struct, rename="camel"):
    task: Text
    context: dict[str, Any] | None = None
    agent: Text | None = None
    session_id: Text | None = None


class _CancelData(msgspec.Struct, rename="camel"):
    task_id: Text | None = None


class _ConfirmData(msgspec.Struct, rename="camel"):
    step_id: Text
    approved: bool
    task_id: Text | None = None


class _ToolResultData(ToolAnswer, frozen=True, kw_only=True, rename="camel"):
    call_id: Text
    task_id: Text | None = None


_Data = TypeVar("_Data")


def decode(text: str) -> Request:
    """The request in a text frame. Raises RefusedError, and nothing else, for anything that is none."""
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RefusedError(Echo(), CallboardError(ErrorCode.INVALID_JSON, f"not JSON: {error}")) from error
    return read(message)


def read(message: object) -> Request:
    """The request in a message that was decoded from JSON. Raises RefusedError, and nothing else."""
    if not isinstance(message, dict):
        raise RefusedError(Echo(), CallboardError(ErrorCode.INVALID_PAYLOAD, "a message is a JSON object"))
    echo = Echo(_name(message.get("id")), _name(message.get("request_id")))
    try:
        return Request(echo, _command(message.get("type"), message.get("data")))
    except CallboardError as error:
        raise RefusedError(echo, error) from error


def submission(data: object) -> SubmitTask:
    """The task in `{task, context, agent?, sessionId?}`. Raises CallboardError INVALID_PAYLOAD."""
    asked = _convert(data, _SubmitData)
    if not asked.task.strip():
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, "data: `task` is blank")
    return SubmitTask(asked.task, asked.context or {}, asked.agent, asked.session_id)


def _command(kind: object, data: object) -> Command:
    match kind:
        case "task:submit":
            return submission(data)
        case "task:cancel":
            return CancelTask(_convert({} if data is None else data, _CancelData).task_id)
        case "step:confirm":
            confirmed = _convert(data, _ConfirmData)
            return ConfirmStep(confirmed.step_id, confirmed.approved, confirmed.task_id)
        case "tool:result":
            came = _convert(data, _ToolResultData)
            return ToolResult(came.call_id, came.answer, came.task_id)
        case "get:tools":
            return GetTools()
        case "ping":
            return Ping()
        case str():
            raise CallboardError(ErrorCode.UNKNOWN_TYPE, f"no message type {kind[:64]!r}")
        case _:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, "a message needs a string `type`")


def _name(named: object) -> Name | None:
    """What cannot be written as it was read is no name."""
    if isinstance(named, bool) or not isinstance(named, str | int | float):
        return None
    try:
        orjson.dumps(named)
    except orjson.JSONEncodeError:
        return None
    return named


def _convert(data: object, kind: type[_Data]) -> _Data:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"data: {error}") from error
