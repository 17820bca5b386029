"""`/sse`, `/task` and `/command`: the steps dialect over HTTP, as far as it passes through the application."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import msgspec
import trio
from msgspec import Meta
from quart import Response, request
from werkzeug.datastructures import Headers

from actors.connection import Connection
from actors.errors import CallboardError, ErrorCode
from actors.principal import Principal
from transport.dialects import steps
from transport.dialects.steps_events import BlockEncoder, Message
from transport.head import RequestHead
from transport.http.event_stream import EventStreams
from transport.http.identity import Rates
from transport.http.route import Answer, AnyRoute, Call, Nothing, Route
from transport.steps_desk import StepsDesk, new_client
from transport.steps_stream import STEPS_STREAM_PATH

TASK_PATH = "/task"
COMMAND_PATH = "/command"
_TAG = "steps"
_LAST_EVENT_ID = "Last-Event-ID"
_CLIENT_ID = "Of the client's own stream or socket, from its `connected`."


class StepsStart(msgspec.Struct, frozen=True, rename="camel"):
    last_event_id: Annotated[
        str | None, Meta(description="The `id` of the last message; `0` for the oldest that is kept.")
    ] = None


class StepsTask(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A task. `agent` is the engine's default one where none is named."""

    client_id: Annotated[str, Meta(description=_CLIENT_ID)]
    task: Annotated[str, Meta(min_length=1)]
    context: dict[str, Any] | None = None
    agent: str | None = None
    session_id: str | None = None


class StepsCommand(msgspec.Struct, frozen=True, kw_only=True):
    """The message that a WebSocket would take, and whose it is. `data` is as its `type` has it."""

    client_id: Annotated[str, Meta(description=_CLIENT_ID)] = msgspec.field(name="clientId")
    type: Annotated[
        str, Meta(description="`task:submit`, `task:cancel`, `step:confirm`, `tool:result`, `get:tools`, `ping`.")
    ]
    data: Any = None
    id: Any = None
    request_id: Any = None


class StepsTaken(msgspec.Struct, frozen=True):
    """It was taken: what comes of it is told on the client's stream."""

    success: bool = True


class StepsSubmitted(msgspec.Struct, frozen=True, rename="camel"):
    """The task has begun: what it does is told on the streams of its user."""

    task_id: str
    success: bool = True


class StepsApi:
    def __init__(self, desk: StepsDesk, streams: EventStreams, rates: Rates) -> None:
        self._desk = desk
        self._streams = streams
        self._rates = rates
        self._blocks = BlockEncoder()

    async def stream(self, call: Call[Nothing, StepsStart]) -> Response:
        """The position of a client that reconnects goes before the one in the address, which stays what it was."""
        await trio.lowlevel.checkpoint()
        if call.method == "HEAD":
            return self._streams.head()
        last_event_id = call.headers.get(_LAST_EVENT_ID) or call.query.last_event_id
        telling = partial(StepsTelling, self._desk, call.principal, last_event_id)
        return self._streams.tell(call.principal, self._blocks, telling)

    async def submit(self, call: Call[StepsTask, Nothing]) -> Answer[StepsSubmitted]:
        """Raises CallboardError, NOT_FOUND for a client that is not one of the principal's."""
        asked = call.body
        client = self._desk.find(call.principal, asked.client_id)
        command = steps.submission(
            {"task": asked.task, "context": asked.context, "agent": asked.agent, "sessionId": asked.session_id}
        )
        view = await self._desk.agents.of(client.principal.user_id).submit(client.principal, command)
        return Answer(StepsSubmitted(view.id))

    async def command(self, call: Call[StepsCommand, Nothing]) -> Answer[StepsTaken]:
        asked = call.body
        client = self._desk.find(call.principal, asked.client_id)
        try:
            parsed = steps.read({name: getattr(asked, name) for name in ("type", "data", "id", "request_id")})
        except steps.RefusedError as refused:
            raise refused.error from None
        reply = await self._desk.carry_out(client, parsed)
        if reply is not None:
            client.say(reply)
        return Answer(StepsTaken())

    async def admit(self, method: str, headers: Headers, parameters: Mapping[str, str]) -> Principal:
        reads = method in ("GET", "HEAD")
        # Who reads is greeted next.
        identify = self._desk.identify if reads else self._desk.identity.identify
        principal = await identify(_head(), reads=reads)
        self._rates.take(principal.user_id, trio.current_time())
        return principal

    def routes(self) -> list[AnyRoute]:
        rows: list[AnyRoute] = [
            Route(
                method="GET",
                path=STEPS_STREAM_PATH,
                handler=self.stream,
                tag=_TAG,
                summary="Follow one's tasks as steps of plans",
                body=Nothing,
                query=StepsStart,
                answer=str,
                errors=(503,),
                content="text/event-stream",
                headers={_LAST_EVENT_ID: "As `lastEventId`, and before it: browsers send it when they reconnect."},
            ),
            Route(
                method="POST",
                path=TASK_PATH,
                handler=self.submit,
                tag=_TAG,
                summary="Submit a task for a client of the steps; one at a time",
                body=StepsTask,
                example={"task": "What is 6*7?", "context": {}, "clientId": "client-0123456789abcdef"},
                query=Nothing,
                answer=StepsSubmitted,
                errors=(404, 409, 503),
            ),
            Route(
                method="POST",
                path=COMMAND_PATH,
                handler=self.command,
                tag=_TAG,
                summary="Send a message for a client of the steps",
                body=StepsCommand,
                example={"type": "task:cancel", "clientId": "client-0123456789abcdef"},
                query=Nothing,
                answer=StepsTaken,
                errors=(404, 409, 503),
            ),
        ]
        return [msgspec.structs.replace(row, admit=self.admit) for row in rows]


class StepsTelling:
    """What an event stream tells a client of the steps."""

    def __init__(
        self, desk: StepsDesk, principal: Principal, last_event_id: str | None, connection: Connection
    ) -> None:
        """Raises CallboardError."""
        self._desk = desk
        self._connection = connection
        self._client = new_client(principal, self._say)
        self._greeting, self._admission = desk.greet(self._client, connection, last_event_id)

    def begin(self) -> None:
        self._desk.admit(self._client)
        self._connection.outbox.put_nowait(b"".join(message.block for message in self._greeting))
        self._connection.hold(self._admission)

    def end(self) -> None:
        self._desk.leave(self._client)

    def _say(self, message: Message) -> None:
        outbox = self._connection.outbox
        if not outbox.has_room:
            raise CallboardError(ErrorCode.BUSY, "the client reads too slowly", retry_after=1.0)
        outbox.put_nowait(message.block)


def _head() -> RequestHead:
    """The request as those see it who are asked whose it is."""
    headers = tuple((name.lower(), value) for name, value in request.headers.items())
    query = request.query_string.decode("latin-1")
    target = f"{request.path}?{query}" if query else request.path
    return RequestHead(request.method, target, request.path, query, request.http_version, headers, b"")
