"""The directory of tasks: finds and lists them, asks them, and at last forgets them."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Iterable
from itertools import islice

import msgspec
import trio

from actors.agents import Agents, RemoteAgent
from actors.commands import ClaimTask, PostEvents, Receipt, TaskCommand, TaskPage, TaskQuery, TaskState
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Event
from actors.groups import Groups
from actors.keeper import Keeper
from actors.kept_task import task_gone
from actors.lease import LeaseOptions
from actors.past_task import PastOutcome, PastTask
from actors.principal import Principal
from actors.questions import event_of
from actors.remote_task import RemoteTask
from actors.session import Session
from actors.sessions import Sessions
from actors.shelved_task import ShelvedTask
from actors.store import Store
from actors.task import LocalTask
from actors.task_handle import TaskHandle
from actors.task_loader import TaskLoader
from actors.task_record import TaskRecord
from actors.task_reports import TaskReporter
from actors.task_services import TaskServices


class TasksOptions(msgspec.Struct, frozen=True):
    """`running`: not yet ended, beyond it a new one is refused as busy. `ended`: kept for reading, beyond it the oldest
    goes. `ask_seconds`: how long a command may wait for the task's answer."""

    running: int = 1000
    ended: int = 10_000
    turns: int = 100
    ask_seconds: float = 10.0
    stop_seconds: float = 5.0
    lease: LeaseOptions = LeaseOptions()


class TasksStatistics(msgspec.Struct, frozen=True):
    running: int
    ended: int
    started_total: int
    ended_total: dict[TaskState, int]


class Tasks:
    """All tasks of the engine."""

    def __init__(
        self,
        services: TaskServices,
        agents: Agents,
        sessions: Sessions,
        reporter: TaskReporter,
        options: TasksOptions | None = None,
    ) -> None:
        self._services = services
        self._agents = agents
        self._sessions = sessions
        self._reporter = reporter
        self.options = options or TasksOptions()
        self._running: dict[str, TaskHandle] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._all: dict[str, TaskHandle | ShelvedTask] = {}
        self._coming: dict[str, TaskHandle] = {}
        """On their way to the disk. Nobody knows their names until they are kept; who is told them first finds them."""
        self._of_user: Groups[str, str] = Groups()
        self._loader = TaskLoader(services, agents, sessions, self.options.turns, self.make)
        self._serial = 0
        self._started_total = 0
        self._ended_total: Counter[TaskState] = Counter()
        self._quiet = trio.Event()

    def __contains__(self, task_id: str) -> bool:
        """Whosever it is."""
        return task_id in self._all or task_id in self._coming

    @property
    def keeper(self) -> Keeper:
        return self._services.channels.keeper

    @property
    def running(self) -> int:
        """How many have not ended."""
        return len(self._running)

    async def take_up(self, store: Store) -> list[TaskHandle]:
        """All tasks that are kept, as they are to go on. Returns those that are to run. Called before anything runs,
        behind the sessions' and the agents'. Raises actors.store.StoreError."""
        ended: list[ShelvedTask] = []
        unended: list[TaskHandle] = []
        for task in await self._loader.load(store):
            self._serial = task.serial if isinstance(task, ShelvedTask) else task.record.serial
            if isinstance(task, ShelvedTask):
                self._all[task.id] = task
                self._of_user.add(task.user_id, task.id)
                ended.append(task)
            else:
                self._enter(task)
                unended.append(task)
        for one in sorted(ended, key=lambda one: (one.ended_at, one.serial)):
            self._ended[one.id] = None
        return unended

    def expect(self, task: TaskHandle) -> None:
        """It is about to be kept: it can be found by its name. `add` or `forgo` follows."""
        self._coming[task.record.id] = task

    def forgo(self, task: TaskHandle) -> None:
        """It does not come. Idempotent."""
        self._coming.pop(task.record.id, None)

    def add(self, task: TaskHandle) -> None:
        """One that was started."""
        self.forgo(task)
        task.record.serial = self.next_serial()
        self._enter(task)
        self._started_total += 1

    def next_serial(self) -> int:
        """Counts up over the engine's tasks in the order of their creation."""
        self._serial += 1
        return self._serial

    def make(
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
            lease = self.options.lease
            return RemoteTask(record, key, self._services, ended, board=board, session=session, options=lease)
        return LocalTask(record, key, self._services, ended, agent=agent, session=session, reporter=self._reporter)

    def _enter(self, task: TaskHandle) -> None:
        self._all[task.record.id] = task
        self._of_user.add(task.record.user_id, task.record.id)
        self._running[task.record.id] = task

    def _known(self, task_id: str) -> TaskHandle | None:
        task = self._all.get(task_id) or self._coming.get(task_id)
        if isinstance(task, ShelvedTask):
            task = self._all[task_id] = self._loader.take_off(task)
        return task

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
        with trio.move_on_after(self.options.ask_seconds):
            return await task.ask(principal, command)
        raise CallboardError(ErrorCode.BUSY, f"task {command.task_id} does not answer", retry_after=1.0)

    def page(self, principal: Principal, query: TaskQuery) -> TaskPage:
        """Newest first."""
        serial = self._serial_of(query.after)
        ids = (task_id for task_id in self._newest_first(principal) if _matches(self._all[task_id], query, serial))
        chosen = [task for task_id in islice(ids, query.limit + 1) if (task := self._known(task_id)) is not None]
        page = tuple(task.view() for task in chosen[: query.limit])
        return TaskPage(page, page[-1].id if len(chosen) > query.limit else None)

    def forget_oldest(self) -> None:
        """Those that are too many."""
        while len(self._ended) > self.options.ended:
            oldest, _ = self._ended.popitem(last=False)
            if (forgotten := self._known(oldest)) is not None:
                self._services.channels.forget(forgotten.key, *task_gone(forgotten.record))
                del self._all[oldest]
                self._of_user.discard(forgotten.record.user_id, oldest)

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

    def _note_end(self, task_id: str) -> None:
        task = self._running.pop(task_id)
        self._ended[task_id] = None
        self._ended_total[task.record.state] += 1
        if not self._running:
            self._quiet.set()
        self.forget_oldest()

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


def task_not_found(task_id: str) -> CallboardError:
    return CallboardError(ErrorCode.NOT_FOUND, f"no task {task_id}")
