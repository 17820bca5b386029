"""Admits new tasks, and starts them once they are kept."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import msgspec
import trio

from actors.addresses import system_audiences
from actors.agents import Agents
from actors.channel import Addition
from actors.channels import Channels
from actors.childspec import ChildSpec, Restart
from actors.commands import CreateTask, TaskState
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Json, draft, encode_json
from actors.kept_task import redacted_records, task_gone, task_record
from actors.mailbox import Reply
from actors.position import Position
from actors.principal import Principal
from actors.redaction import TaskRedaction
from actors.sessions import Sessions
from actors.spawner import Spawner, spawn
from actors.store import Opened, Record, Store
from actors.task_handle import TaskHandle
from actors.task_record import TaskRecord
from actors.tasks import Tasks

_TOO_LONG = "the store takes too long"


class Asked(msgspec.Struct, frozen=True):
    """How a conversation is told at once of a task that is to be known by a `new_task_id`."""

    task_id: str
    session: ChannelKey
    told: Draft


class TaskLauncher:
    """The way in for every task: admitted, prepared, kept, and only then run."""

    def __init__(
        self, supervisor: Spawner, channels: Channels, agents: Agents, sessions: Sessions, tasks: Tasks
    ) -> None:
        """The tasks run under the supervisor, and are entered in the directory `tasks`."""
        self._supervisor = supervisor
        self._channels = channels
        self._agents = agents
        self._sessions = sessions
        self._tasks = tasks
        self._options = tasks.options
        self._pending = 0
        """Admitted, and not kept yet."""
        self._to_start: deque[TaskHandle] = deque()
        """Of an earlier life of the engine, or asked for while none could be started: yet to be."""
        self._admitting = True

    def stop_admitting(self) -> None:
        """The engine drains: what runs may end, nothing new begins."""
        self._admitting = False

    def admit(self, principal: Principal, commands: tuple[CreateTask, ...]) -> None:
        """Raises CallboardError where not all of them can be accepted: BUSY, or NOT_FOUND for an agent or session."""
        if not self._admitting:
            raise CallboardError(ErrorCode.BUSY, "the engine is stopping", retry_after=5.0)
        self._channels.keeper.check()
        free = self._options.running - self._tasks.running - self._pending
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
        """Starts an admitted task once it is kept, as one with the news of it and what its conversation is told. Those
        who follow all tasks are attached to its topic before its actor runs. Raises CallboardError UNAVAILABLE where it
        is not kept.

        Cancelled once it is on its way to the disk, it is started all the same: all hear of it."""
        task_id = new_task_id() if asked is None else asked.task_id
        (task,) = await self._start(self._prepare(principal, {task_id: command}), asked=asked)
        return task

    async def start_batch(
        self,
        principal: Principal,
        commands: Sequence[CreateTask],
        batch_id: str,
        enter: Callable[[Sequence[TaskRecord]], Record],
    ) -> list[TaskHandle]:
        """Starts all of the admitted tasks, once they are kept with the batch's record, which `enter` gives for them,
        and the news of it. Raises as `start`."""
        named = {new_task_id(): command for command in commands}
        news = draft("batch.created", {"batch_id": batch_id, "tasks": len(named)})
        told = [Addition(key, (news,)) for key in system_audiences("batches", principal.user_id)]
        tasks = self._prepare(principal, named, batch_id)
        return await self._start(tasks, enter([task.record for task in tasks]), told=told)

    def revive(self) -> None:
        """Starts the tasks that an earlier life of the engine has left, as far as the supervisor takes them now, and
        forgets those that are too many. Called again and again."""
        self._tasks.forget_oldest()
        with suppress(CallboardError):
            while self._to_start:
                self._spawn(self._to_start[0])
                self._to_start.popleft()

    async def take_up(self, store: Store) -> None:
        """As `Tasks.take_up`: those that are to run are started by `revive`."""
        self._to_start.extend(await self._tasks.take_up(store))

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
        for task in prepared:
            self._tasks.expect(task)
        return prepared

    def _prepare_one(self, principal: Principal, task_id: str, command: CreateTask, batch_id: str | None) -> TaskHandle:
        session = None if command.session_id is None else self._sessions.open(principal, command.session_id)
        # A task belongs to its session's owner: an admin who extends a conversation does not take it over.
        owner = principal.user_id if session is None else session.user_id
        key = ChannelKey("task", task_id, owner)
        position = self._channels.create(key)
        record = TaskRecord(task_id, owner, command, batch_id, position, self._options.turns)
        record.serial = self._tasks.next_serial()
        task = self._tasks.make(record, key, session)
        if session is not None:
            session.expect(task_id)
        return task

    async def _start(
        self, tasks: list[TaskHandle], *records: Record, asked: Asked | None = None, told: Sequence[Addition] = ()
    ) -> list[TaskHandle]:
        waiting = deque(tasks)
        try:
            await self._keep(tasks, records, asked, told)
            while waiting:
                self._launch(waiting[0])
                waiting.popleft()
        finally:
            for task in waiting:
                self._withdraw(task)
            if waiting:
                self._channels.keeper.note(*(msgspec.structs.replace(record, body=None) for record in records))
            self._pending -= len(tasks)
        return tasks

    async def _keep(
        self, tasks: list[TaskHandle], records: tuple[Record, ...], asked: Asked | None, told: Sequence[Addition]
    ) -> None:
        records += tuple(task_record(task.record) for task in tasks)
        opened = tuple(Opened(task.key, task.record.position.epoch) for task in tasks)
        said = [] if asked is None else [Addition(asked.session, (asked.told,))]
        first, *others = [*said, *_news(tasks, _created), *told]
        reply: Reply[Position] = Reply()
        first = msgspec.structs.replace(first, records=lambda: records, reply=reply)
        await self._channels.add(first, *others, opened=opened)
        # All will read of it: it is done, also where its asker goes away now.
        with trio.move_on_after(self._options.ask_seconds, shield=True):
            await reply.wait()
            return
        await self._disown(tasks, asked)
        raise CallboardError(ErrorCode.UNAVAILABLE, "nothing can be kept in time", retry_after=2.0)

    async def _disown(self, tasks: list[TaskHandle], asked: Asked | None) -> None:
        """All may yet read of tasks that are not to be."""
        if asked is not None:
            failed: Json = {"exec_id": asked.task_id, "state": TaskState.FAILED, "error": _TOO_LONG}
            await self._channels.emit(asked.session, draft("done", failed))
        for news in _news(tasks, _never_begun):
            await self._channels.emit(news.key, *news.drafts)

    def _launch(self, task: TaskHandle) -> None:
        """Where the supervisor takes none at the moment it is started later."""
        redaction = None if task.session is None else task.session.record.redaction_of(task.record.id)
        if redaction is not None:
            self._take_back(task, redaction)
        try:
            self._spawn(task)
        except CallboardError:
            self._to_start.append(task)
        # Only what was started is entered: nothing would ever strike out the rest.
        self._tasks.add(task)

    def _spawn(self, task: TaskHandle) -> None:
        name = f"task {task.record.id}"
        spec = ChildSpec(name, task.run, Restart.TEMPORARY, stop_deadline=self._options.stop_seconds)
        spawn(self._supervisor, spec)

    def _take_back(self, task: TaskHandle, redaction: TaskRedaction) -> None:
        """Before it has begun."""
        task.record.redact(redaction)
        self._channels.keeper.note(*redacted_records(task.record, asked=redaction.asked))
        self._channels.log(task.key).redact(redaction, lasting=True)

    def _withdraw(self, task: TaskHandle) -> None:
        """It was never started."""
        self._tasks.forgo(task)
        if task.session is not None:
            task.session.forgo(task.record.id)
        self._channels.forget(task.key, *task_gone(task.record))


def _created(task: TaskRecord) -> Draft:
    command = task.command
    data: Json = {
        "task_id": task.id,
        "agent": command.agent,
        "session_id": command.session_id,
        "batch_id": task.batch_id,
    }
    return draft("task.created", data)


def _never_begun(task: TaskRecord) -> Draft:
    return draft("task.failed", {"task_id": task.id, "error": _TOO_LONG, "cause": "unavailable"})


def _news(tasks: Sequence[TaskHandle], tell: Callable[[TaskRecord], Draft]) -> list[Addition]:
    """What is told of the tasks outside of their own topics, for each who is told."""
    news: dict[ChannelKey, list[Draft]] = {}
    for task in tasks:
        told = tell(task.record)
        for key in system_audiences("tasks", task.record.user_id):
            news.setdefault(key, []).append(told)
    return [Addition(key, tuple(drafts)) for key, drafts in news.items()]


def new_task_id() -> str:
    return f"task-{secrets.token_hex(8)}"
