"""One task from its first event to its last."""

from __future__ import annotations

from typing import Protocol

from callboard_client.errors import TaskCancelled, TaskFailed
from callboard_client.frames import Receipt
from callboard_client.subscription import Subscription
from callboard_client.task_events import Cancellation, Completed, Failed, Outcome, TaskEvent, read_task_event


class Commands(Protocol):
    """What can be asked of a task."""

    async def cancel(self, task_id: str) -> Receipt: ...
    async def confirm(self, task_id: str, step_id: str, approved: bool) -> Receipt: ...
    async def append_turn(self, task_id: str, prompt: str) -> Receipt: ...
    async def return_tool(self, task_id: str, call_id: str, result: object) -> Receipt: ...
    async def fail_tool(self, task_id: str, call_id: str, error: str) -> Receipt: ...


class TaskRun:
    """An asynchronous iterator of what the task says, which ends with it; `outcome` then is how."""

    def __init__(self, task_id: str, events: Subscription, commands: Commands) -> None:
        self.task_id = task_id
        self.outcome: Outcome | None = None
        self._events = events
        self._commands = commands

    def __aiter__(self) -> TaskRun:
        return self

    async def __anext__(self) -> TaskEvent:
        if self.outcome is not None:
            raise StopAsyncIteration
        event = read_task_event(await anext(self._events))
        if isinstance(event, Completed | Failed | Cancellation):
            self.outcome = event
        return event

    async def result(self) -> Completed:
        """Waits for the end, passing over what comes before it. Raises TaskFailed and TaskCancelled."""
        async for _ in self:
            pass
        return completed(self.outcome)

    async def cancel(self) -> None:
        """Asks the task to stop: Cancellation follows when it has."""
        await self._commands.cancel(self.task_id)

    async def confirm(self, step_id: str, approved: bool) -> None:
        """Answers a Question."""
        await self._commands.confirm(self.task_id, step_id, approved)

    async def return_tool(self, call_id: str, result: object) -> None:
        """Says what came of a ClientToolCall."""
        await self._commands.return_tool(self.task_id, call_id, result)

    async def fail_tool(self, call_id: str, error: str) -> None:
        """Says why a ClientToolCall did not work."""
        await self._commands.fail_tool(self.task_id, call_id, error)

    async def append_turn(self, prompt: str) -> Receipt:
        """Has the task go on with another prompt once it is through with those before."""
        return await self._commands.append_turn(self.task_id, prompt)


def completed(outcome: Outcome | None) -> Completed:
    """The good end. Raises TaskFailed and TaskCancelled for the others."""
    match outcome:
        case Completed():
            return outcome
        case Failed(error=message, cause=cause):
            raise TaskFailed(cause, message)
        case Cancellation(reason=reason):
            raise TaskCancelled(reason)
        case None:
            raise ValueError("the task has not ended")
