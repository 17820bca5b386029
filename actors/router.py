"""The one way in: who may do what, what it is called, and where it goes.

The router has no mailbox. Each of its decisions is synchronous, so one task at a time takes them, and a mailbox would
only put two hops and a queue of strangers in front of every command; what waits, waits in the caller's own task.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import trio

from actors.addresses import Addresses, check_channel, system_audiences
from actors.agents import Agents
from actors.batches import Batches
from actors.channels import Channels
from actors.commands import (
    AgentView,
    BatchView,
    CreateBatch,
    CreateSession,
    CreateTask,
    ExecSession,
    ExecStarted,
    HistoryPage,
    Publish,
    Published,
    Receipt,
    RegisterAgent,
    Say,
    SessionView,
    Start,
    TaskCommand,
    TaskView,
)
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Event, Json, draft
from actors.log import Log
from actors.position import Position
from actors.principal import Principal, Scope
from actors.publications import Publications
from actors.reserved_types import RESERVED_TYPES
from actors.resumption import Resumption
from actors.rooms import ROOM_CHANNEL, Rooms
from actors.session import Session
from actors.sessions import Sessions
from actors.snapshots import Snapshots, check_channel_folds
from actors.store import Opened, Store, StoreError
from actors.task_launcher import Asked, TaskLauncher, new_task_id
from actors.tasks import Tasks

SNAPSHOTS = 16
"""How many a client may ask for in one request: all of them wait to be sent at once."""
_HISTORY_BYTES = 1024 * 1024
_CUT_OFF_SECONDS = 2.0
"""How long it may take to tell that a question will have no answer."""


class RouterOptions(msgspec.Struct, frozen=True):
    """How long and how many idempotency keys of publications are remembered; how many tasks a batch may have."""

    idempotency_seconds: float = 300.0
    idempotency_keys: int = 100_000
    batch_tasks: int = 1_000


class Router:
    """Every request of every dialect ends in a method of this class. All raise CallboardError."""

    def __init__(
        self,
        channels: Channels,
        agents: Agents,
        sessions: Sessions,
        tasks: Tasks,
        launcher: TaskLauncher,
        rooms: Rooms,
        options: RouterOptions | None = None,
        snapshots: Snapshots | None = None,
    ) -> None:
        """`snapshots`: those of an engine that keeps its topics; else what the logs hold is folded."""
        chosen = options or RouterOptions()
        self.channels = channels
        self.agents = agents
        self.sessions = sessions
        self.tasks = tasks
        self.launcher = launcher
        self.batches = Batches(tasks, launcher, largest=chosen.batch_tasks)
        self.snapshots = snapshots or Snapshots(channels)
        self._rooms = rooms
        self._addresses = Addresses(tasks, sessions, agents, rooms)
        self._publications = Publications(channels, chosen.idempotency_seconds, chosen.idempotency_keys)
        channels.sweep.hold("task", lambda key: key.topic in tasks)
        channels.sweep.hold("session", lambda key: sessions.named(key.topic) is not None)
        channels.sweep.hold("agent", lambda key: agents.registrant(key.topic) == key.owner)

    async def take_up(self, store: Store) -> None:
        """Everything that was kept is there again; the topics are already. Called before anything runs. Raises
        actors.store.StoreError."""
        await self.agents.take_up(store)
        await self.sessions.take_up(store)
        await self.launcher.take_up(store)
        await self.batches.take_up(store)
        await self._publications.take_up(store)

    async def create_task(self, principal: Principal, command: CreateTask) -> TaskView:
        self.launcher.admit(principal, (command,))
        return (await self.launcher.start(principal, command)).view()

    async def create_batch(self, principal: Principal, command: CreateBatch) -> BatchView:
        return (await self.batches.create(principal, command)).view()

    async def create_session(self, principal: Principal, command: CreateSession) -> SessionView:
        if command.agent:
            self.agents.find(command.agent)
        self.channels.keeper.check()
        view = self.sessions.create(principal, command).view()
        await self._announce("sessions", view.user_id, "session.created", {"session_id": view.id, "title": view.title})
        await self.channels.keeper.keep()
        return view

    async def exec_session(self, principal: Principal, command: ExecSession) -> ExecStarted:
        """Runs a command in a conversation, as a task of the session's agent behind those that wait there already."""
        session = self.sessions.find(principal, command.session_id)
        task = CreateTask(agent=session.record.agent, prompt=command.command, session_id=session.id)
        view = await self.create_task(principal, task)
        return ExecStarted(session.id, view.id)

    async def open_session(self, principal: Principal, command: CreateSession) -> Session:
        """The principal's session of the command's key, made as told where there is none."""
        session = self.sessions.find_keyed(principal, command.key)
        if session is None:
            view = await self.create_session(principal, command)
            session = self.sessions.find(principal, view.id)
        await trio.lowlevel.checkpoint()
        return session

    async def say(self, principal: Principal, command: Say) -> ExecStarted:
        """As `exec_session`, and tells at once what was said: an event `chat.message` of the session, also where the
        answer has to wait for its turn."""
        session = self.sessions.find(principal, command.session_id)
        task = CreateTask(agent=session.record.agent, prompt=command.content, session_id=session.id)
        self.launcher.admit(principal, (task,))
        task_id = new_task_id()
        said: Json = {"user_id": principal.user_id, **command.details, "exec_id": task_id, "content": command.content}
        asked = Asked(task_id, session.key, draft("chat.message", said))
        await self.launcher.start(principal, task, asked)
        return ExecStarted(session.id, task_id)

    async def register_agent(self, principal: Principal, command: RegisterAgent) -> tuple[AgentView, bool]:
        keeper = self.channels.keeper
        keeper.check()
        view, new = self.agents.register(principal, command)
        board = ChannelKey("agent", view.name, principal.user_id)
        keeper.note(self.agents.record(view.name), opened=(Opened(board, self.channels.origin(board).epoch),))
        if new:
            data: Json = {"agent_id": view.name, "name": view.name, "description": view.description}
            await self._announce("agents", "", "agent.created", data)
        await keeper.keep()
        return view, new

    def command_task_nowait(self, principal: Principal, command: TaskCommand) -> Receipt | None:
        """Has a task carry out a command at once; None where it has to wait for its turn: `command_task` does."""
        return self.tasks.ask_nowait(principal, command)

    async def command_task(self, principal: Principal, command: TaskCommand) -> Receipt:
        return await self.tasks.ask(principal, command)

    async def publish(self, principal: Principal, command: Publish) -> Published:
        """Adds an event from outside to a topic. The same idempotency key of the same user again publishes nothing."""
        key = self._publishable(principal, command)
        return await self._publications.publish(principal.user_id, key, command)

    def resolve(self, principal: Principal, channel: str, topic: str) -> ChannelKey:
        """The log behind a name, if the principal may see it."""
        return self._addresses.resolve(principal, channel, topic)

    def sees(self, principal: Principal, key: ChannelKey) -> bool:
        """Whether one who follows a whole channel is to have this topic of it."""
        return self._addresses.sees(principal, key)

    def start_of(self, key: ChannelKey, start: Start) -> Resumption:
        """Where a subscription begins."""
        log = self.channels.log(key)
        match start:
            case "live":
                return log.resume(None)
            case "oldest":
                return log.replay()
            case Position():
                return log.resume(start)

    async def history(self, principal: Principal, channel: str, topic: str, start: Start, limit: int) -> HistoryPage:
        """Retained events after `start`, at most `limit` and about a MiB of them. Raises also UNAVAILABLE."""
        return await self.page_of(self.resolve(principal, channel, topic), start, limit)

    async def page_of(self, key: ChannelKey, start: Start, limit: int) -> HistoryPage:
        """As `history`, of a topic that its dialect has found for the client: nothing is checked."""
        log = self.channels.log(key)
        begin = self.start_of(log.key, start)
        try:
            events = await log.page(begin.offset, max_events=limit, max_bytes=_HISTORY_BYTES)
        except StoreError as error:
            raise CallboardError(ErrorCode.UNAVAILABLE, f"nothing can be read: {error}", retry_after=2.0) from error
        end = events[-1].offset if events else begin.offset
        return HistoryPage(tuple(events), Position(log.epoch, end), log.gap_of(begin), more=end < log.tail)

    async def snapshots_of(self, principal: Principal, channel: str, topics: Collection[str]) -> dict[str, Event]:
        """What these topics, at most SNAPSHOTS, come to, each as an event at its place.

        Of the last one nothing is missing when this returns; what the others said meanwhile comes after their places.
        Raises also INVALID_PAYLOAD for a channel whose topics have no snapshots, and UNAVAILABLE.
        """
        check_channel(channel)
        check_channel_folds(channel)
        if len(topics) > SNAPSHOTS:
            message = f"at most {SNAPSHOTS} snapshots are taken at once, not {len(topics)}"
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, message)
        keys = [self.resolve(principal, channel, topic) for topic in topics]
        return {key.topic: await self.snapshots.take(key) for key in keys}

    def open_questions(self, key: ChannelKey) -> tuple[Event, ...]:
        """The confirmations and tool calls that a task waits for, as events: whoever comes to watch it is asked too."""
        return self.tasks.open_questions(key)

    async def alert(self, event_type: str, data: Json) -> None:
        """Tells everybody of the engine's own trouble."""
        await self._announce("alerts", "", event_type, data)

    async def broadcast(self, owner: str, event_type: str, data: Json) -> None:
        """Tells one user, outside of any task and conversation."""
        await self._announce("broadcasts", owner, event_type, data)

    def log(self, key: ChannelKey) -> Log:
        return self.channels.log(key)

    def _publishable(self, principal: Principal, command: Publish) -> ChannelKey:
        if not principal.has(Scope.PUBLISH):
            raise CallboardError(ErrorCode.FORBIDDEN, "publishing needs the scope `publish`")
        key = self.resolve(principal, command.channel, command.topic)
        if command.draft.event_type in RESERVED_TYPES:
            message = f"{command.draft.event_type} is for the engine alone to emit"
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, message)
        if command.channel in ("system", "agent") and not principal.is_admin:
            raise CallboardError(ErrorCode.FORBIDDEN, f"publishing to the channel {command.channel} is for admins")
        if command.channel == ROOM_CHANNEL:
            self._rooms.check_publication(principal, command.topic, command.draft.event_type)
        if command.channel == "task" and self.tasks.find(principal, command.topic).record.is_ending:
            raise CallboardError(ErrorCode.CONFLICT, f"task {command.topic} has ended: nothing is added to it any more")
        return key

    async def _announce(self, topic: str, owner: str, event_type: str, data: Json) -> None:
        news = draft(event_type, data)
        for key in system_audiences(topic, owner):
            await self.channels.emit(key, news)
