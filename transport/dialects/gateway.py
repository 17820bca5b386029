"""What a client of the gateway dialect asks: from its frames to the engine's commands. Pure functions."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec

from actors.commands import (
    AnswerToolCall,
    AppendTurn,
    CancelTask,
    ConfirmStep,
    CreateTask,
    ExecSession,
    QuestionAnswer,
    Start,
)
from actors.errors import CallboardError, ErrorCode
from actors.position import Position
from transport.dialects.tool_answer import ToolAnswer


class RequestNames(msgspec.Struct, frozen=True):
    """Of a request that has a `request_id`, as in other dialects: both are echoed."""

    request_id: str | int | float
    id: str | int | float | None


RequestId: TypeAlias = str | int | float | RequestNames | None
"""What a client named its request, echoed on the reply; almost always its `id` alone."""

_DEVICE_CHARACTERS = 256


class Auth(msgspec.Struct, frozen=True):
    token: str
    device_id: Annotated[str, msgspec.Meta(max_length=_DEVICE_CHARACTERS)] | None = None


class Subscribe(msgspec.Struct, frozen=True):
    """Empty `topics`: all of the channel. `since` may name topics then too, to be taken up where they were left.

    `snapshot`: each topic begins with what it has come to, where it does not go on from a position without a gap.
    """

    channel: str
    topics: tuple[str, ...]
    since: dict[str, Start]
    snapshot: bool = False

    def starts(self) -> dict[str, Start]:
        """Where each topic that is named begins."""
        starts: dict[str, Start] = dict.fromkeys(self.topics, "live")
        starts.update(self.since)
        return starts


class Unsubscribe(msgspec.Struct, frozen=True):
    channel: str
    topics: tuple[str, ...]


class TaskAction(msgspec.Struct, frozen=True):
    """`command` is None for an action that does not exist: the reply says so in the action's own form."""

    task_id: str
    action: str
    command: CancelTask | AppendTurn | QuestionAnswer | CreateTask | None


class Ping(msgspec.Struct, frozen=True):
    pass


Command: TypeAlias = Auth | Subscribe | Unsubscribe | TaskAction | ExecSession | Ping


class Request(msgspec.Struct, frozen=True):
    id: RequestId
    command: Command


class RefusedError(Exception):
    """A frame that is no request. `id` and `kind` (its `type`) are the request's, where they could be read."""

    def __init__(self, request_id: RequestId, error: CallboardError, kind: str | None = None) -> None:
        super().__init__(error.message)
        self.id = request_id
        self.error = error
        self.kind = kind


class _SinceObject(msgspec.Struct):
    epoch: str
    offset: int


class _SubscribePayload(msgspec.Struct):
    channel: str
    topics: tuple[str, ...] = ()
    since: dict[str, _SinceObject | str] = {}
    snapshot: bool = False


class _UnsubscribePayload(msgspec.Struct):
    channel: str
    topics: tuple[str, ...] = ()


class _TaskActionPayload(msgspec.Struct):
    action: str
    task_id: str = ""
    data: Any = None


class _TurnData(msgspec.Struct):
    prompt: str


class _ConfirmData(msgspec.Struct):
    step_id: str
    approved: bool


class _ToolResultData(ToolAnswer, frozen=True, kw_only=True):
    call_id: str


class _CreateData(msgspec.Struct):
    agent: str
    prompt: str
    session_id: str | None = None
    context: dict[str, Any] = {}


class _ExecPayload(msgspec.Struct):
    session_id: str
    command: str


_NO_PAYLOAD = msgspec.Raw(b"{}")


class _Frame(msgspec.Struct):
    """A request whose names are names, which nearly all are; its payload is read once its type is known."""

    type: str
    payload: msgspec.Raw = _NO_PAYLOAD
    id: str | int | float | None = None
    request_id: str | int | float | None = None


_Payload = TypeVar("_Payload")

_FRAME = msgspec.json.Decoder(_Frame)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_AUTH = msgspec.json.Decoder(Auth)
_SUBSCRIBE = msgspec.json.Decoder(_SubscribePayload)
_UNSUBSCRIBE = msgspec.json.Decoder(_UnsubscribePayload)
_TASK_ACTION = msgspec.json.Decoder(_TaskActionPayload)
_EXEC = msgspec.json.Decoder(_ExecPayload)


def decode(text: str) -> Request:
    """The request in a text frame. Raises RefusedError, and nothing else, for anything that is none."""
    try:
        frame = _FRAME.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return _decode_members(text)
    return _request(_request_id(frame.id, frame.request_id), frame.type, frame.payload)


def _decode_members(text: str) -> Request:
    """As `decode`, of any JSON: a name that is none is passed over, and what is wrong is told."""
    try:
        frame = msgspec.json.decode(text)
        members = _MEMBERS.decode(text) if isinstance(frame, dict) else {}
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RefusedError(None, CallboardError(ErrorCode.INVALID_JSON, f"not JSON: {error}")) from error
    if not isinstance(frame, dict):
        raise RefusedError(None, CallboardError(ErrorCode.INVALID_PAYLOAD, "a message is a JSON object"))
    request_id = _request_id(_name(frame.get("id")), _name(frame.get("request_id")))
    return _request(request_id, frame.get("type"), members.get("payload", _NO_PAYLOAD))


def _name(value: object) -> str | int | float | None:
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _request_id(named: str | float | None, other: str | float | None) -> RequestId:
    return named if other is None else RequestNames(other, named)


def _request(request_id: RequestId, kind: object, payload: msgspec.Raw) -> Request:
    try:
        return Request(request_id, _command(kind, payload))
    except CallboardError as error:
        raise RefusedError(request_id, error, kind if isinstance(kind, str) else None) from error


def _command(kind: object, payload: msgspec.Raw) -> Command:
    match kind:
        case "ping":
            return Ping()
        case "auth":
            return _read(payload, _AUTH)
        case "subscribe":
            return _subscribe(_read(payload, _SUBSCRIBE))
        case "unsubscribe":
            asked = _read(payload, _UNSUBSCRIBE)
            return Unsubscribe(asked.channel, asked.topics)
        case "task.action":
            return _task_action(_read(payload, _TASK_ACTION))
        case "session.exec":
            exec_ = _read(payload, _EXEC)
            return ExecSession(exec_.session_id, exec_.command)
        case str():
            raise CallboardError(ErrorCode.UNKNOWN_TYPE, f"no message type {kind[:64]!r}")
        case _:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, "a message needs a string `type`")


def _read(payload: msgspec.Raw, decoder: msgspec.json.Decoder[_Payload]) -> _Payload:
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"payload: {error}") from error
    except RecursionError as error:
        # To pass over what is nested takes a little less of the stack than to read it.
        raise CallboardError(ErrorCode.INVALID_JSON, f"not JSON: {error}") from error


def _convert(data: object, kind: type[_Payload]) -> _Payload:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"payload: {error}") from error


def _subscribe(asked: _SubscribePayload) -> Subscribe:
    if asked.snapshot and not asked.topics:
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, "payload: `snapshot` is for `topics` that are named")
    return Subscribe(asked.channel, asked.topics, _since(asked) if asked.since else {}, asked.snapshot)


def _since(asked: _SubscribePayload) -> dict[str, Start]:
    if asked.topics and (unasked := asked.since.keys() - set(asked.topics)):
        message = f"payload: `since` names {min(unasked)!r}, which is not among `topics`"
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, message)
    return {topic: _start(start) for topic, start in asked.since.items()}


def _start(since: _SinceObject | str) -> Start:
    match since:
        case "0":
            return "oldest"
        case str():
            return Position.parse(since)
        case _:
            return Position.parse(f"{since.epoch}:{since.offset}")


def _task_action(asked: _TaskActionPayload) -> TaskAction:
    if asked.action != "create" and not asked.task_id:
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, "payload: the action needs a `task_id`")
    command: CancelTask | AppendTurn | QuestionAnswer | CreateTask | None
    match asked.action:
        case "cancel":
            command = CancelTask(asked.task_id)
        case "append_turn":
            turn = asked.data if isinstance(asked.data, str) else _convert(asked.data, _TurnData).prompt
            command = AppendTurn(asked.task_id, turn)
        case "confirm":
            confirmed = _convert(asked.data, _ConfirmData)
            command = ConfirmStep(asked.task_id, confirmed.step_id, confirmed.approved)
        case "tool_result":
            came = _convert(asked.data, _ToolResultData)
            command = AnswerToolCall(asked.task_id, came.call_id, came.answer)
        case "create":
            new = _convert(asked.data, _CreateData)
            command = CreateTask(agent=new.agent, prompt=new.prompt, session_id=new.session_id, context=new.context)
        case _:
            command = None
    return TaskAction(asked.task_id, asked.action, command)
