"""What one client of the agent dialect has asked for, carried out one by one in the order sent."""

from __future__ import annotations

import logging
from collections import deque
from typing import assert_never

import msgspec
import trio

from actors.commands import CancelTask, CreateSession, ExecSession, ExecStarted
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey
from actors.merge import merge_events
from actors.reader import Reader
from actors.sink import BrokenSink
from actors.spawner import CannotSpawn
from actors.tool import Toolbox, ToolError
from transport.client_socket import ClientSocket
from transport.dialects import agent_replies
from transport.dialects.agent import Echo, Query, Request, ToolCall
from transport.dialects.agent_answer import Answer

_TITLE_CHARACTERS = 80

_log = logging.getLogger("callboard.agent")


class WorkOptions(msgspec.Struct, frozen=True):
    """`waiting`: requests of one connection that may wait; one more is refused. `grace_seconds`: how long a query goes
    on that nobody else follows, when its client is gone."""

    waiting: int = 32
    grace_seconds: float = 10.0


class _Job:
    """A request that waits or runs."""

    __slots__ = ("command", "dropped", "request", "scope")

    def __init__(self, request: Request, command: Query | ToolCall) -> None:
        self.request = request
        self.command = command
        self.scope = trio.CancelScope()
        """Around all of it that may be cut short."""
        self.dropped = False
        """The client has cancelled it: nothing more is said about it."""


class AgentWork:
    """The queue of one connection. There is a task while there is something to do, and none for an idle client."""

    __slots__ = ("_client", "_current", "_gone", "_options", "_session_id", "_toolbox", "_waiting", "_working")

    def __init__(self, client: ClientSocket, toolbox: Toolbox, options: WorkOptions) -> None:
        self._client = client
        self._toolbox = toolbox
        self._options = options
        self._waiting: deque[_Job] = deque()
        self._current: _Job | None = None
        self._working = False
        self._gone = False
        self._session_id: str | None = None
        """The conversation that the connection's queries form."""

    def add(self, request: Request, command: Query | ToolCall) -> None:
        """Raises CallboardError BUSY where too many wait already, or the engine starts nothing."""
        if len(self._waiting) >= self._options.waiting:
            message = f"{self._options.waiting} requests of this connection wait already"
            raise CallboardError(ErrorCode.BUSY, message, retry_after=1.0)
        if not self._working:
            try:
                self._client.services.spawn_worker(self._work)
            except CannotSpawn as error:
                raise CallboardError(ErrorCode.BUSY, f"the engine starts nothing now: {error}") from error
            self._working = True
        self._waiting.append(_Job(request, command))

    def cancel(self) -> list[Echo]:
        """Stops what runs and drops what waits, and returns what those were named. Not one more frame of them goes
        out from here on."""
        running = [] if self._current is None or self._current.dropped else [self._current]
        jobs = [*running, *self._waiting]
        self._waiting.clear()
        for job in jobs:
            job.dropped = True
            job.scope.cancel()
        return [job.request.echo for job in jobs]

    def leave(self) -> None:
        """The client is gone: what waits is dropped, what runs has some time left."""
        self._gone = True
        self._waiting.clear()
        if self._current is not None:
            self._current.scope.deadline = trio.current_time() + self._options.grace_seconds

    async def _work(self) -> None:
        try:
            while self._waiting:
                self._current = self._waiting.popleft()
                await self._carry_out(self._current)
        finally:
            self._current = None
            self._working = False

    async def _carry_out(self, job: _Job) -> None:
        try:
            match job.command:
                case Query():
                    await self._answer(job, job.command)
                case ToolCall():
                    await self._call_tool(job, job.command)
                case _:
                    assert_never(job.command)
        except CallboardError as error:
            self._say(job, agent_replies.failed(job.request, error.message))
        # The edge of a request: what is wrong with one must not end those behind it.
        except Exception as error:  # noqa: BLE001
            _log.error("a request of the agent dialect failed: %s", type(job.command).__name__, exc_info=error)
            self._say(job, agent_replies.failed(job.request, "the engine failed to answer; it has logged why"))

    async def _answer(self, job: _Job, query: Query) -> None:
        router = self._client.services.router
        # Not cut short: a task that has been started must be known, to be cancelled.
        started = await self._start(query)
        task = router.tasks.find(self._client.principal, started.exec_id)
        answer = Answer(
            job.request,
            query,
            task_id=started.exec_id,
            session_id=started.session_id,
            vendor=task.record.command.agent,
        )
        with job.scope:
            self._say(job, answer.opening())
            await self._tell(job, answer, task.key)
        private = query.session_id is None and not self._is_watched(task.key, started.session_id)
        left_alone = job.scope.cancelled_caught or answer.given_up
        if job.dropped or (left_alone and private):
            await router.command_task(self._client.principal, CancelTask(started.exec_id))

    async def _start(self, query: Query) -> ExecStarted:
        router, principal = self._client.services.router, self._client.principal
        named = query.session_id or self._session_id
        if named is not None:
            try:
                return await router.exec_session(principal, ExecSession(named, query.query))
            except CallboardError as error:
                # The oldest conversations are forgotten; the connection's own is then begun anew.
                if error.code is not ErrorCode.NOT_FOUND or query.session_id is not None:
                    raise
        title = " ".join(query.query.split())[:_TITLE_CHARACTERS]
        session = await router.create_session(principal, CreateSession(title=title))
        self._session_id = session.id
        return await router.exec_session(principal, ExecSession(session.id, query.query))

    async def _tell(self, job: _Job, answer: Answer, key: ChannelKey) -> None:
        """Says what the task comes to, as fast as the client takes it: meanwhile the events wait in their log."""
        router = self._client.services.router
        reader = Reader(router.channels)
        reader.add(key, router.start_of(key, "oldest"))
        try:
            while not answer.ended:
                for event in merge_events(await reader.read()):
                    for frame in answer.frames(event):
                        self._say(job, frame)
                await self._wait_for_room()
        finally:
            reader.close()

    async def _call_tool(self, job: _Job, call: ToolCall) -> None:
        if all(spec.name != call.name for spec in self._toolbox.specs()):
            self._say(job, agent_replies.error(job.request.echo, f"Tool not found: {call.name}"))
            return
        with job.scope:
            try:
                result = await self._toolbox.call(call.name, call.params)
            except ToolError as error:
                self._say(job, agent_replies.failed(job.request, str(error)))
            else:
                echo = job.request.echo
                self._say(job, agent_replies.frame(echo, "tool_result", tool_name=call.name, result=result))
            await self._wait_for_room()

    def _say(self, job: _Job, frame: bytes) -> None:
        if not job.dropped:
            self._client.push(frame)

    async def _wait_for_room(self) -> None:
        if not self._gone:
            try:
                await self._client.outbox.wait_for_room()
            except BrokenSink:
                # Its reading ends by itself, and then it leaves.
                await trio.lowlevel.checkpoint()

    def _is_watched(self, task: ChannelKey, session_id: str) -> bool:
        channels = self._client.services.router.channels
        return channels.is_heard(task) or channels.is_heard(ChannelKey("session", session_id, task.owner))
