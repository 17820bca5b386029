"""Many tasks started at once, and how far they are."""

from __future__ import annotations

import secrets
from collections import Counter

import msgspec

from actors.commands import BatchView, CreateBatch, TaskState
from actors.errors import CallboardError, ErrorCode
from actors.event import now_ms
from actors.principal import Principal
from actors.task_record import TaskRecord
from actors.tasks import Tasks


class Batch(msgspec.Struct, frozen=True):
    """It holds on to its tasks' records, so that its counts stay right when the directory forgets them."""

    id: str
    user_id: str
    created_at: int
    records: tuple[TaskRecord, ...]

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


class Batches:
    """The newest `limit` batches."""

    def __init__(self, tasks: Tasks, limit: int = 1000, largest: int = 1000) -> None:
        self._tasks = tasks
        self._limit = limit
        self._largest = largest
        self._batches: dict[str, Batch] = {}

    def create(self, principal: Principal, command: CreateBatch) -> Batch:
        """Starts all of the tasks, or raises CallboardError and starts none."""
        if not 0 < len(command.tasks) <= self._largest:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"a batch has 1 to {self._largest} tasks")
        self._tasks.admit(principal, command.tasks)
        batch_id = f"batch-{secrets.token_hex(8)}"
        records = tuple(self._tasks.start(principal, task, batch_id).record for task in command.tasks)
        batch = Batch(batch_id, principal.user_id, now_ms(), records)
        self._batches[batch_id] = batch
        while len(self._batches) > self._limit:
            del self._batches[next(iter(self._batches))]
        return batch

    def find(self, principal: Principal, batch_id: str) -> Batch:
        """Raises CallboardError NOT_FOUND, also for somebody else's."""
        batch = self._batches.get(batch_id)
        if batch is None or not principal.sees(batch.user_id):
            raise CallboardError(ErrorCode.NOT_FOUND, f"no batch {batch_id}")
        return batch
