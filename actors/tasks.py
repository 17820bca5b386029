"""The directory of tasks: admits them, starts their actors, finds, lists and at last forgets them."""

from __future__ import annotations

import math
import secrets
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice

import msgspec
import trio

from actors.agents import Agents, RemoteAgent
from actors.channel import Addition
from actors.childspec import ChildSpec, Restart
from actors.commands import (
    ClaimTask,
    CreateTask,
    PostEvents,
    Receipt,
    TaskCommand,
    TaskPage,
    TaskQuery,
    TaskState,
)
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Event, Json, draft, encode_json
from actors.groups import Groups
from actors.keeper import Keeper
from actors.kept_task import redacted_records, task_gone, task_record
from actors.lease import LeaseOptions
from actors.mailbox import Reply
from actors.past_task import PastOutcome, PastTask
from actors.position import Position
from actors.principal import Principal
from actors.questions import event_of
from actors.redaction import TaskRedaction
from actors.remote_task import RemoteTask
from actors.session import Session
from actors.sessions import Sessions
from actors.shelved_task import ShelvedTask
from actors.spawner import Spawner, spawn
from actors.store import Opened, Record, Store
from actors.task import LocalTask
from actors.task_context import TaskServices
from actors.task_handle import TaskHandle
from actors.task_loader import TaskLoader
from actors.task_record import TaskRecord
from actors.task_reports import TaskReporter


class TasksOptions(msgspec.Struct, frozen=True):
    """`running`: not yet ended, beyond it a new one is refused as busy. `ended`: kept for reading, beyond it the oldest
    goes. `ask_seconds`: how long a command may wait for the task's answer."""

    running: int = 1000
    ended: int = 10_000
    turns: int = 100
    ask_seconds: float = 10.0
    stop_seconds: float = 5.0
    lease: LeaseOptions = LeaseOptions()


class Asked(msgspec.Struct, frozen=True):
    """How a conversation is told at once of a task that is to be known by a `new_task_id`."""

    task_id: str
    session: ChannelKey
    told: Draft


class TasksStatistics(msgspec.Struct, frozen=True):
    running: int
    ended: int
    started_total: int
    ended_total: dict[TaskState, int]


class Tasks:
    """All tasks of the engine."""

    def __init__(
        self,
        supervisor: Spawner,
        services: TaskServices,
        agents: Agents,
        sessions: Sessions,
        reporter: TaskReporter,
        options: TasksOptions | None = None,
    ) -> None:
        self._supervisor = supervisor
        self._services = services
        self._agents = agents
        self._sessions = sessions
        self._reporter = reporter
        self._options = options or TasksOptions()
        self._running: dict[str, TaskHandle] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._all: dict[str, TaskHandle | ShelvedTask] = {}
        self._of_user: Groups[str, str] = Groups()
        self._loader = TaskLoader(services, agents, sessions, self._options.turns, self._make)
        self._pending = 0
        """Admitted, and not kept yet."""
        self._serial = 0
        self._taken_up: deque[TaskHandle] = deque()
        """Of an earlier life of the engine, or asked for while none could be started: yet to be."""
        self._started_total = 0
        self._ended_total: Counter[TaskState] = Counter()
        self._quiet = trio.Event()
        self._admitting = True

    def __contains__(self, task_id: str) -> bool:
        """Whosever it is."""
        return task_id in self._all

    @property
    def keeper(self) -> Keeper:
        return self._services.channels.keeper

    def stop_admitting(self) -> None:
        """The engine drains: what runs may end, nothing new begins."""
        self._admitting = False

    def admit(self, principal: Principal, commands: tuple[CreateTask, ...]) -> None:
        """Raises CallboardError where not all of them can be accepted: BUSY, or NOT_FOUND for an agent or session."""
        if not self._admitting:
            raise CallboardError(ErrorCode.BUSY, "the engine is stopping", retry_after=5.0)
        self.keeper.check()
        free = self._options.running - len(self._running) - self._pending
        if len(commands) > free:
            limit = self._options.running
            raise CallboardError(ErrorCode.BUSY, f"{limit} tasks run at once, {max(free, 0)} are free", retry_after=1.0)
        for command in commands:
            encode_json("context", command.context)
            encode_json("prompt", command.prompt)
            self._agents.find(command.agent)
            if command.session_id is not None:
                self._sessions.find(principal, command.session_id)

    async def start(self, principal: Principal, command: CreateTask, asked: Asked | None = None) -> TaskHandle:
        """Starts an admitted task once it is kept, as one with what its conversation is told of it. Those who follow
        all tasks are attached to its topic before its actor runs. Raises CallboardError UNAVAILABLE where it is not
        kept."""
        task_id = new_task_id() if asked is None else asked.task_id
        (task,) = await self._start(self._prepare(principal, {task_id: command}), asked=asked)
        return task

    async def start_batch(
        self, principal: Principal, commands: Sequence[CreateTask], batch_id: str, record: Callable[[list[str]], Record]
    ) -> list[TaskHandle]:
        """Starts all of the admitted tasks, once they are kept with the batch's `record` of their ids. Raises as
        `start`."""
        named = {new_task_id(): command for command in commands}
        return await self._start(self._prepare(principal, named, batch_id), record(list(named)))

    def revive(self) -> None:
        """Starts the tasks that an earlier life of the engine has left, as far as the supervisor takes them now, and
        forgets those that are too many. Called again and again."""
        self._forget_oldest()
        with suppress(CallboardError):
            while self._taken_up:
                self._spawn(self._taken_up[0])
                self._taken_up.popleft()

    async def take_up(self, store: Store) -> None:
        """All tasks that are kept, as they are to go on. Called before anything runs, behind the sessions' and the
        agents'. Raises actors.store.StoreError."""
        ended: list[ShelvedTask] = []
        for task in await self._loader.load(store):
            if isinstance(task, ShelvedTask):
                self._all[task.id] = task
                self._of_user.add(task.user_id, task.id)
                self._serial = task.serial
                ended.append(task)
            else:
                self._enter(task)
                self._serial = task.record.serial
                self._running[task.record.id] = task
                self._taken_up.append(task)
        for one in sorted(ended, key=lambda one: (one.ended_at, one.serial)):
            self._ended[one.id] = None

    def _prepare(
        self, principal: Principal, commands: Mapping[str, CreateTask], batch_id: str | None = None
    ) -> list[TaskHandle]:
        """All of the tasks, by their ids, but their runs. Raises CallboardError, and prepares none."""
        prepared: list[TaskHandle] = []
        try:
            for task_id, command in commands.items():
                prepared.append(self._prepare_one(principal, task_id, command, batch_id))
        except CallboardError:
            for task in prepared:
                self._withdraw(task)
            raise
        self._pending += len(prepared)
        return prepared

    def _prepare_one(self, principal: Principal, task_id: str, command: CreateTask, batch_id: str | None) -> TaskHandle:
        session = None if command.session_id is None else self._sessions.open(principal, command.session_id)
        # A task belongs to its session's owner: an admin who extends a conversation does not take it over.
        owner = principal.user_id if session is None else session.user_id
        key = ChannelKey("task", task_id, owner)
        position = self._services.channels.create(key)
        record = TaskRecord(task_id, owner, command, batch_id, position, self._options.turns)
        record.serial = self._next_serial()
        task = self._make(record, key, session)
        if session is not None:
            session.expect(task_id)
        return task

    async def _start(self, tasks: list[TaskHandle], *records: Record, asked: Asked | None = None) -> list[TaskHandle]:
        waiting = deque(tasks)
        try:
            await self._keep(tasks, records, asked)
            while waiting:
                self._launch(waiting[0], must_run=asked is not None)
                waiting.popleft()
        finally:
            for task in waiting:
                self._withdraw(task)
            if waiting:
                self.keeper.note(*(msgspec.structs.replace(record, body=None) for record in records))
            self._pending -= len(tasks)
        return tasks

    async def _keep(self, tasks: list[TaskHandle], records: tuple[Record, ...], asked: Asked | None) -> None:
        records += tuple(task_record(task.record) for task in tasks)
        opened = tuple(Opened(task.key, task.record.position.epoch) for task in tasks)
        if asked is None:
            await self.keeper.keep(*records, opened=opened)
            return
        reply: Reply[Position] = Reply()
        said = Addition(asked.session, (asked.told,), lambda: records, reply=reply)
        await self._services.channels.add(said, opened=opened)
        # All will read what was asked: it is answered, also where its asker goes away now.
        with trio.move_on_after(self._options.ask_seconds, shield=True):
            await reply.wait()
            return
        failed: Json = {"exec_id": asked.task_id, "state": TaskState.FAILED, "error": "the store takes too long"}
        await self._services.channels.emit(asked.session, draft("done", failed))
        raise CallboardError(ErrorCode.UNAVAILABLE, "nothing can be kept in time", retry_after=2.0)

    def _launch(self, task: TaskHandle, *, must_run: bool) -> None:
        """`must_run`: where the supervisor takes none at the moment it is started later."""
        redaction = None if task.session is None else task.session.redaction_of(task.record.id)
        if redaction is not None:
            self._take_back(task, redaction)
        try:
            self._spawn(task)
        except CallboardError:
            if not must_run:
                raise
            self._taken_up.append(task)
        # Only what was started is entered: nothing would ever strike out the rest.
        task.record.serial = self._next_serial()
        self._enter(task)
        self._running[task.record.id] = task
        self._started_total += 1

    def _spawn(self, task: TaskHandle) -> None:
        name = f"task {task.record.id}"
        spec = ChildSpec(name, task.run, Restart.TEMPORARY, stop_deadline=self._options.stop_seconds)
        spawn(self._supervisor, spec)

    def _take_back(self, task: TaskHandle, redaction: TaskRedaction) -> None:
        """Before it has begun."""
        task.record.redact(redaction)
        self.keeper.note(*redacted_records(task.record, asked=redaction.asked))
        self._services.channels.log(task.key).redact(redaction, lasting=True)

    def _withdraw(self, task: TaskHandle) -> None:
        """It was never started, and nobody was told of it."""
        if task.session is not None:
            task.session.forgo(task.record.id)
        self._services.channels.forget(task.key, *task_gone(task.record))

    def _enter(self, task: TaskHandle) -> None:
        self._all[task.record.id] = task
        self._of_user.add(task.record.user_id, task.record.id)

    def _known(self, task_id: str) -> TaskHandle | None:
        task = self._all.get(task_id)
        if isinstance(task, ShelvedTask):
            task = self._all[task_id] = self._loader.take_off(task)
        return task

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial

    def find(self, principal: Principal, task_id: str) -> TaskHandle:
        """Raises CallboardError NOT_FOUND, also for somebody else's task: that it exists is not told."""
        task = self._known(task_id)
        if task is None or not principal.sees(task.record.user_id):
            raise task_not_found(task_id)
        return task

    def named(self, task_id: str) -> TaskHandle | None:
        """Whoever's it is; None for one that is forgotten or never was."""
        return self._known(task_id)

    def ended_state(self, task_id: str) -> TaskState | None:
        """How a task has ended; None for one that has not, or is not known."""
        task = self._all.get(task_id)
        if isinstance(task, ShelvedTask):
            return task.state
        return task.record.state if task is not None and task.record.is_ended else None

    def open_questions(self, key: ChannelKey) -> tuple[Event, ...]:
        """What the task of this topic waits to be told, as the events that ask for it."""
        task = self._running.get(key.topic)
        if task is None or task.key != key or not task.record.questions:
            return ()
        log, redaction = self._services.channels.log(key), task.record.redaction
        events = [event for question in task.record.questions.open() if (event := event_of(question, log)) is not None]
        return tuple(event if redaction is None else redaction.apply(event) for event in events)

    def asking(self, principal: Principal) -> tuple[ChannelKey, ...]:
        """The topics of the principal's tasks that have open questions."""
        return tuple(
            task.key
            for task in reversed(self._running.values())
            if task.record.questions and principal.sees(task.record.user_id)
        )

    def running_of(self, user_id: str) -> tuple[TaskHandle, ...]:
        """The user's tasks that have not ended, newest first."""
        ids = self._of_user.newest_first(user_id)
        return tuple(self._running[task_id] for task_id in ids if task_id in self._running)

    def ask_nowait(self, principal: Principal, command: TaskCommand) -> Receipt | None:
        """Has the task carry out a command at once; None where it has to wait for its turn: `ask` does.

        Raises CallboardError as the task refuses."""
        return self._find_for(principal, command).ask_nowait(principal, command)

    async def ask(self, principal: Principal, command: TaskCommand) -> Receipt:
        """As `ask_nowait`, in its turn. Raises CallboardError BUSY at the deadline, too."""
        task = self._find_for(principal, command)
        with trio.move_on_after(self._options.ask_seconds):
            return await task.ask(principal, command)
        raise CallboardError(ErrorCode.BUSY, f"task {command.task_id} does not answer", retry_after=1.0)

    def page(self, principal: Principal, query: TaskQuery) -> TaskPage:
        """Newest first."""
        serial = self._serial_of(query.after)
        ids = (task_id for task_id in self._newest_first(principal) if _matches(self._all[task_id], query, serial))
        chosen = [task for task_id in islice(ids, query.limit + 1) if (task := self._known(task_id)) is not None]
        page = tuple(task.view() for task in chosen[: query.limit])
        return TaskPage(page, page[-1].id if len(chosen) > query.limit else None)

    async def wait_quiet(self) -> None:
        """Returns when no task runs."""
        while self._running:
            self._quiet = trio.Event()
            await self._quiet.wait()
        await trio.lowlevel.checkpoint()

    def statistics(self) -> TasksStatistics:
        return TasksStatistics(len(self._running), len(self._ended), self._started_total, dict(self._ended_total))

    def _newest_first(self, principal: Principal) -> Iterable[str]:
        """The ids of those the principal sees."""
        if principal.is_admin:
            return reversed(self._all)
        return self._of_user.newest_first(principal.user_id)

    def _find_for(self, principal: Principal, command: TaskCommand) -> TaskHandle:
        match command:
            case ClaimTask() | PostEvents():
                return self._find_as_agent(principal, command.task_id)
            case _:
                return self.find(principal, command.task_id)

    def _find_as_agent(self, principal: Principal, task_id: str) -> TaskHandle:
        """A task for the one whose agent is to run it: nobody else claims it or speaks for it."""
        task = self._known(task_id)
        if task is not None:
            registrant = self._agents.registrant(task.record.command.agent)
            if registrant == principal.user_id:
                return task
            if principal.sees(task.record.user_id):
                raise CallboardError(ErrorCode.FORBIDDEN, f"task {task_id} is not for an agent of yours")
        raise task_not_found(task_id)

    def _make(
        self, record: TaskRecord, key: ChannelKey, session: Session | None, past: PastOutcome | None = None
    ) -> TaskHandle:
        """With an outcome, one that does not run any more. Raises CallboardError NOT_FOUND for an unknown agent."""

        def ended() -> None:
            self._note_end(record.id)

        if past is not None:
            return PastTask(record, key, self._services, ended, session, past)
        agent = self._agents.find(record.command.agent)
        if isinstance(agent, RemoteAgent):
            board = ChannelKey("agent", agent.name, agent.user_id)
            lease = self._options.lease
            return RemoteTask(record, key, self._services, ended, board=board, session=session, options=lease)
        return LocalTask(record, key, self._services, ended, agent=agent, session=session, reporter=self._reporter)

    def _note_end(self, task_id: str) -> None:
        task = self._running.pop(task_id)
        self._ended[task_id] = None
        self._ended_total[task.record.state] += 1
        if not self._running:
            self._quiet.set()
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self._ended) > self._options.ended:
            oldest, _ = self._ended.popitem(last=False)
            if (forgotten := self._known(oldest)) is not None:
                self._services.channels.forget(forgotten.key, *task_gone(forgotten.record))
                del self._all[oldest]
                self._of_user.discard(forgotten.record.user_id, oldest)

    def _serial_of(self, task_id: str | None) -> float:
        """Where a page begins. What was forgotten since has nothing older behind it."""
        if task_id is None:
            return math.inf
        task = self._known(task_id)
        return 0 if task is None else task.record.serial


def _matches(task: TaskHandle | ShelvedTask, query: TaskQuery, serial: float) -> bool:
    """Whether a page of what came before `serial` holds it."""
    if isinstance(task, ShelvedTask):
        number, state, session_id = task.serial, task.state, task.session_id
    else:
        number, state, session_id = task.record.serial, task.record.state, task.record.command.session_id
    return number < serial and query.state in (None, state) and query.session_id in (None, session_id)


def new_task_id() -> str:
    return f"task-{secrets.token_hex(8)}"


def task_not_found(task_id: str) -> CallboardError:
    return CallboardError(ErrorCode.NOT_FOUND, f"no task {task_id}")
