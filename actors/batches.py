"""Many tasks started at once, and how far they are."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence

import msgspec

from actors.commands import BatchView, CreateBatch, TaskState
from actors.errors import CallboardError, ErrorCode
from actors.event import now_ms
from actors.kept_task import BATCH_PART_RECORDS, batch_part_id
from actors.principal import Principal
from actors.store import Record, Store
from actors.task_launcher import TaskLauncher
from actors.task_record import TaskRecord
from actors.tasks import Tasks

BATCH_RECORDS = "batch"


class KeptBatch(msgspec.Struct, frozen=True):
    """What is kept of a batch. `created_at` is Unix milliseconds."""

    user_id: str
    created_at: int
    task_ids: tuple[str, ...]


class EndedTask(msgspec.Struct, frozen=True):
    """What a batch knows of a task that ended in an earlier life of the engine."""

    id: str
    state: TaskState
    is_ended: bool = True


class Batch(msgspec.Struct, frozen=True):
    """It holds on to its tasks' records, so that its counts stay right when the directory forgets them."""

    id: str
    user_id: str
    created_at: int
    records: tuple[TaskRecord | EndedTask, ...]

    def view(self) -> BatchView:
        counts = Counter(record.state for record in self.records)
        return BatchView(
            id=self.id,
            user_id=self.user_id,
            created_at=self.created_at,
            task_ids=tuple(record.id for record in self.records),
            counts={state: counts[state] for state in TaskState},
            done=all(record.is_ended for record in self.records),
        )

    @property
    def gone(self) -> tuple[Record, ...]:
        """It is forgotten."""
        parts = (Record(BATCH_PART_RECORDS, batch_part_id(self.id, record.id), None) for record in self.records)
        return (Record(BATCH_RECORDS, self.id, None), *parts)


class Batches:
    """The newest `limit` batches."""

    def __init__(self, tasks: Tasks, launcher: TaskLauncher, limit: int = 1000, largest: int = 1000) -> None:
        self._tasks = tasks
        self._launcher = launcher
        self._limit = limit
        self._largest = largest
        self._batches: dict[str, Batch] = {}

    async def create(self, principal: Principal, command: CreateBatch) -> Batch:
        """Starts all of the tasks, or raises CallboardError and starts none."""
        if not 0 < len(command.tasks) <= self._largest:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"a batch has 1 to {self._largest} tasks")
        self._launcher.admit(principal, command.tasks)
        batch_id, now = f"batch-{secrets.token_hex(8)}", now_ms()

        def made(tasks: Sequence[TaskRecord]) -> Batch:
            return Batch(batch_id, principal.user_id, now, tuple(tasks))

        def enter(tasks: Sequence[TaskRecord]) -> Record:
            # Nobody knows its name until it is kept; who is told it first finds the batch.
            self._batches[batch_id] = made(tasks)
            kept = KeptBatch(principal.user_id, now, tuple(task.id for task in tasks))
            return Record(BATCH_RECORDS, batch_id, msgspec.json.encode(kept))

        try:
            started = await self._launcher.start_batch(principal, command.tasks, batch_id, enter)
        except BaseException:
            # Cancelled, or refused: either way it does not come.
            self._batches.pop(batch_id, None)
            raise
        for task in started:
            task.record.is_counted = True
        self._forget_oldest()
        return made([task.record for task in started])

    async def take_up(self, store: Store) -> None:
        """All that are kept, behind their tasks. Raises actors.store.StoreError."""
        parts = {name: TaskState(body.decode()) for name, body in await store.records(BATCH_PART_RECORDS)}
        batches = [
            (batch_id, msgspec.json.decode(body, type=KeptBatch))
            for batch_id, body in await store.records(BATCH_RECORDS)
        ]
        for batch_id, kept in sorted(batches, key=lambda each: each[1].created_at):
            records = tuple(self._record(batch_id, task_id, parts) for task_id in kept.task_ids)
            self._batches[batch_id] = Batch(batch_id, kept.user_id, kept.created_at, records)
        orphans = [name for name in parts if name.partition("/")[0] not in self._batches]
        self._tasks.keeper.note(*(Record(BATCH_PART_RECORDS, name, None) for name in orphans))
        self._forget_oldest()

    def find(self, principal: Principal, batch_id: str) -> Batch:
        """Raises CallboardError NOT_FOUND, also for somebody else's."""
        batch = self._batches.get(batch_id)
        if batch is None or not principal.sees(batch.user_id):
            raise CallboardError(ErrorCode.NOT_FOUND, f"no batch {batch_id}")
        return batch

    def _forget_oldest(self) -> None:
        while len(self._batches) > self._limit:
            oldest = self._batches.pop(next(iter(self._batches)))
            for record in oldest.records:
                if isinstance(record, TaskRecord):
                    record.is_counted = False
            self._tasks.keeper.note(*oldest.gone)

    def _record(self, batch_id: str, task_id: str, parts: dict[str, TaskState]) -> TaskRecord | EndedTask:
        if (state := self._tasks.ended_state(task_id)) is not None:
            return EndedTask(task_id, state)
        task = self._tasks.named(task_id)
        if task is not None:
            task.record.is_counted = True
            return task.record
        return EndedTask(task_id, parts.get(batch_part_id(batch_id, task_id), TaskState.FAILED))
