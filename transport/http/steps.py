"""`/task` and `/command`: how clients of the steps dialect ask over HTTP what they are told on their event stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import trio
from quart import Quart, Response, request

from actors.principal import Principal
from transport.dialects import steps
from transport.head import RequestHead
from transport.http.bodies import as_json, decode_body
from transport.http.identity import Rates
from transport.steps_desk import StepsClient, StepsDesk

TASK_PATH = "/task"
COMMAND_PATH = "/command"


class _Post(msgspec.Struct, rename={"client_id": "clientId"}):
    client_id: str


class _Task(_Post):
    task: str
    context: dict[str, Any] | None = None
    agent: str | None = None
    session_id: str | None = msgspec.field(default=None, name="sessionId")


class _Command(_Post):
    type: str
    data: Any = None
    id: Any = None
    request_id: Any = None


def add_steps(app: Quart, desk: StepsDesk, rates: Rates, read_body: Callable[[], Awaitable[bytes]]) -> None:
    """Both answer `{"success": true, …}`, or as the API does where they refuse."""
    posts = StepsPosts(desk)

    async def admit() -> Principal:
        principal = await desk.identity.identify(_head(), reads=False)
        rates.take(principal.user_id, trio.current_time())
        return principal

    async def task() -> Response:
        return await posts.submit(await admit(), await read_body())

    async def command() -> Response:
        return await posts.command(await admit(), await read_body())

    app.add_url_rule(TASK_PATH, "steps_task", task, methods=["POST"])
    app.add_url_rule(COMMAND_PATH, "steps_command", command, methods=["POST"])


class StepsPosts:
    def __init__(self, desk: StepsDesk) -> None:
        self._desk = desk

    async def submit(self, principal: Principal, raw: bytes) -> Response:
        """`{task, context?, agent?, sessionId?, clientId}`. Raises CallboardError, NOT_FOUND for a client that is not
        one of the principal's."""
        asked = decode_body(raw, _Task)
        client = self._desk.find(principal, asked.client_id)
        command = steps.submission(
            {"task": asked.task, "context": asked.context, "agent": asked.agent, "sessionId": asked.session_id}
        )
        view = await self._desk.agents.of(client.principal.user_id).submit(client.principal, command)
        return _done({"success": True, "taskId": view.id})

    async def command(self, principal: Principal, raw: bytes) -> Response:
        """The message that a WebSocket would take, and `clientId`. What it is answered comes on the client's stream."""
        asked = decode_body(raw, _Command)
        client = self._desk.find(principal, asked.client_id)
        try:
            parsed = steps.read({name: getattr(asked, name) for name in ("type", "data", "id", "request_id")})
        except steps.RefusedError as refused:
            raise refused.error from None
        await self._answer(client, parsed)
        return _done({"success": True})

    async def _answer(self, client: StepsClient, parsed: steps.Request) -> None:
        reply = await self._desk.carry_out(client, parsed)
        if reply is not None:
            client.say(reply)


def _head() -> RequestHead:
    """The request as those see it who are asked whose it is."""
    headers = tuple((name.lower(), value) for name, value in request.headers.items())
    query = request.query_string.decode("latin-1")
    target = f"{request.path}?{query}" if query else request.path
    return RequestHead(request.method, target, request.path, query, request.http_version, headers, b"")


def _done(body: dict[str, object]) -> Response:
    response = Response(as_json(body), mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
