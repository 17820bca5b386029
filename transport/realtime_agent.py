"""All of one user's tasks and conversations as one stream of steps, with those who listen to it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

import msgspec
import trio

from actors import commands
from actors.channels import Channels
from actors.commands import TaskView
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Json, draft, now_ms
from actors.feeds import FEED_CHANNEL, Feeds
from actors.log import Log
from actors.position import Position
from actors.principal import Principal
from actors.question_kind import Kind
from actors.resumption import Resumption
from actors.retention import Retention
from actors.router import Router
from transport.dialects.steps import CancelTask, ConfirmStep, SubmitTask, ToolResult
from transport.dialects.steps_events import event_body
from transport.dialects.steps_projection import StepsProjection

Send: TypeAlias = Callable[[str], None]
"""Takes one message as JSON text. Must not block."""

_MOST_AGENTS = 10_000
_READ_BYTES = 1 << 20

_log = logging.getLogger("callboard.steps")


class RealtimeOptions(msgspec.Struct, frozen=True):
    """`broadcast_interval`: seconds between two messages about one step's progress. `buffer_size`: how many messages
    are kept for those who come back."""

    default_agent: str
    broadcast_interval: float = 0.1
    buffer_size: int = 100


class RealtimeAgent:
    """One user's tasks, wherever they were started, and one at a time that is submitted here."""

    def __init__(self, owner: str, router: Router, feeds: Feeds, options: RealtimeOptions) -> None:
        self.owner = owner
        self.key = ChannelKey(FEED_CHANNEL, "steps", owner)
        self._router = router
        self._feeds = feeds
        self._options = options
        self._projection = StepsProjection(options.broadcast_interval)
        self._submitted = ""
        self._submitting = False
        self._listeners: dict[str, _Listener] = {}

    @property
    def busy(self) -> bool:
        """Whether what was submitted last runs."""
        return self._submitting or self._runs(self._submitted)

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost with it."""
        return not self.busy and not self._listeners

    def open(self) -> None:
        """Sees to it that the stream is there. One that begins takes in what runs already. Raises CallboardError BUSY.
        Idempotent."""
        with self._feeds.beginning():
            self._open()

    def _open(self) -> None:
        kept = Retention(events=self._options.buffer_size)
        made = StepsProjection(self._options.broadcast_interval)
        feed = self._feeds.open(self.key, kept, lambda: made)
        if feed.projection is not made:
            # One that another object for this user has begun, before room was made of it, is as good.
            if isinstance(feed.projection, StepsProjection):
                self._projection = feed.projection
            return
        self._projection = made
        for task in self._router.tasks.running_of(self.owner):
            self._take_up(task.key)
            feed.add(task.key, Resumption(0, None))
        self._feeds.follow(feed, "task", self.owner)
        self._feeds.follow(feed, "session", self.owner)

    def _take_up(self, key: ChannelKey) -> None:
        """What a task waits for, where its log does not tell of it any more."""
        for question in self._router.open_questions(key):
            if question.offset < self._router.log(key).first:
                self._projection.project(question, trio.current_time())

    async def ready(self) -> None:
        """Returns once what was kept of it is taken up. Raises CallboardError BUSY, UNAVAILABLE.

        One of which nothing is kept is not opened: it begins in the step in which somebody follows it, who so misses
        nothing of what runs."""
        await trio.lowlevel.checkpoint()
        if self._feeds.is_away(self.key):
            self.open()
        feed = self._feeds.find(self.key)
        if feed is not None and not feed.is_ready:
            await feed.ready()

    @property
    def is_ready(self) -> bool:
        """Whether `ready` has nothing to wait for."""
        feed = self._feeds.find(self.key)
        return feed.is_ready if feed is not None else not self._feeds.is_away(self.key)

    def status(self) -> Draft:
        return self._projection.status(now_ms())

    def catch_up(self) -> list[Draft]:
        """The plans and open questions of what runs."""
        return self._projection.catch_up(now_ms())

    async def submit(self, principal: Principal, asked: SubmitTask) -> TaskView:
        """Starts a task. Raises CallboardError, CONFLICT where the one submitted before runs."""
        if self.busy:
            raise CallboardError(ErrorCode.CONFLICT, "a task is running already")
        self.open()
        self._submitting = True
        try:
            agent = asked.agent or self._agent_of(principal, asked.session_id)
            command = commands.CreateTask(
                agent=agent, prompt=asked.task, session_id=asked.session_id, context=asked.context
            )
            view = await self._router.create_task(principal, command)
            self._submitted = view.id
        finally:
            self._submitting = False
        return view

    async def cancel(self, principal: Principal, asked: CancelTask) -> str:
        """Cancels the task named; else the one submitted last, or begun last wherever it was. Returns its id."""
        task_id = asked.task_id or self._current()
        if task_id is None:
            raise CallboardError(ErrorCode.CONFLICT, "no task is running")
        await self._router.command_task(principal, commands.CancelTask(task_id))
        return task_id

    async def confirm(self, principal: Principal, asked: ConfirmStep) -> str:
        """Answers the question of the task named, else of the task that asks it. Returns its id."""
        task_id = self._asked(Kind.STEP, asked.step_id, asked.task_id)
        await self._router.command_task(principal, commands.ConfirmStep(task_id, asked.step_id, asked.approved))
        return task_id

    async def answer_tool_call(self, principal: Principal, came: ToolResult) -> str:
        """As `confirm`, for a tool call that a client carries out."""
        task_id = self._asked(Kind.TOOL_CALL, came.call_id, came.task_id)
        await self._router.command_task(principal, commands.AnswerToolCall(task_id, came.call_id, came.answer))
        return task_id

    async def broadcast(self, kind: str, data: Json) -> Position:
        """Sends a message of any type to all clients, those too that come back for it. Raises CallboardError.

        The other dialects' clients of this user are told by the system topic `broadcasts`; where a dialect knows only
        texts, it tells `broadcast` with a `message`, and leaves out all else.
        """
        self.open()
        position = await self._router.channels.publish(self.key, draft(kind, data))
        await self._router.broadcast(self.owner, kind, data)
        return position

    def add_client(self, client_id: str, send: Send) -> None:
        """From now on hands every message to `send`, in order. One that raises is taken away."""
        self.open()
        self.remove_client(client_id)
        self._listeners[client_id] = _Listener(self._router.channels, self.key, send)

    def remove_client(self, client_id: str) -> None:
        """Idempotent."""
        listener = self._listeners.pop(client_id, None)
        if listener is not None:
            listener.close()

    def _current(self) -> str | None:
        if self._runs(self._submitted):
            return self._submitted
        running = self._router.tasks.running_of(self.owner)
        return running[0].record.id if running else None

    def _agent_of(self, principal: Principal, session_id: str | None) -> str:
        """Who answers where the client names nobody. Raises CallboardError NOT_FOUND."""
        if session_id is None:
            return self._options.default_agent
        return self._router.sessions.find(principal, session_id).record.agent

    def _asked(self, kind: Kind, name: str, task_id: str | None) -> str:
        """The task that is answered. Raises CallboardError NOT_FOUND."""
        found = task_id or self._asking(kind, name) or self._current()
        if found is None:
            raise CallboardError(ErrorCode.NOT_FOUND, f"no {kind.value} {name[:64]!r} waits for an answer")
        return found

    def _asking(self, kind: Kind, name: str) -> str | None:
        running = self._router.tasks.running_of(self.owner)
        asking = [task.record.id for task in running if task.record.questions.find(kind, name) is not None]
        return self._submitted if self._submitted in asking else next(iter(asking), None)

    def _runs(self, task_id: str) -> bool:
        return any(
            task.record.id == task_id and not task.record.is_ending
            for task in self._router.tasks.running_of(self.owner)
        )


class RealtimeAgents:
    """Every user's, as they are asked for. Full-policy: the first with nothing to lose makes room for a new one."""

    def __init__(self, router: Router, feeds: Feeds, options: RealtimeOptions) -> None:
        self._router = router
        self._feeds = feeds
        self._options = options
        self._agents: dict[str, RealtimeAgent] = {}
        feeds.know("steps", lambda: StepsProjection(options.broadcast_interval), self.of)

    def of(self, owner: str) -> RealtimeAgent:
        """Opened. Raises CallboardError BUSY."""
        agent = self._find(owner)
        agent.open()
        return agent

    async def ready(self, owner: str) -> None:
        """As `RealtimeAgent.ready`."""
        await self._find(owner).ready()

    def is_ready(self, owner: str) -> bool:
        """As `RealtimeAgent.is_ready`; False for one who is not known yet."""
        agent = self._agents.get(owner)
        return agent is not None and agent.is_ready

    def _find(self, owner: str) -> RealtimeAgent:
        agent = self._agents.get(owner)
        if agent is None:
            if len(self._agents) >= _MOST_AGENTS:
                self._make_room()
            agent = self._agents[owner] = RealtimeAgent(owner, self._router, self._feeds, self._options)
        return agent

    def _make_room(self) -> None:
        idle = next((owner for owner, agent in self._agents.items() if agent.idle), None)
        if idle is None:
            raise CallboardError(ErrorCode.BUSY, f"{len(self._agents)} users are served", retry_after=5.0)
        del self._agents[idle]


class _Listener:
    """A cursor of somebody inside the process."""

    def __init__(self, channels: Channels, key: ChannelKey, send: Send) -> None:
        self._channels = channels
        self._key = key
        self._send = send
        self._log: Log = channels.watch(key, self)
        self._offset = self._log.tail
        self._closed = False

    @property
    def is_heard(self) -> bool:
        return True

    def notice(self, key: ChannelKey) -> None:
        while not self._closed and (events := self._log.read(self._offset, max_events=100, max_bytes=_READ_BYTES)):
            for event in events:
                self._offset = event.offset
                try:
                    self._send(event_body(event).decode())
                # The edge of somebody else's code: what it raises must not end the stream for the others.
                except Exception:  # noqa: BLE001
                    _log.exception("a client of %s takes no more messages", self._key)
                    self.close()
                    return

    def close(self) -> None:
        """Idempotent."""
        if not self._closed:
            self._closed = True
            self._channels.unwatch(self._key, self)
