"""A conversation in a session: a prompt, the pieces of its answer, the next prompt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeAlias

from callboard_client.errors import RequestRefused
from callboard_client.events import Gap, Position
from callboard_client.frames import ExecStarted
from callboard_client.subscription import Subscription
from callboard_client.task_events import Question, Text
from callboard_client.task_run import Commands, TaskRun, completed

ConfirmQuestion: TypeAlias = Callable[[Question], Awaitable[bool]]


class Conversing(Commands, Protocol):
    """What a conversation needs of the client."""

    async def exec(self, session_id: str, command: str) -> ExecStarted: ...
    def subscribe(
        self, channel: str, *topics: str, since: Mapping[str, Position | str] | Position | str | None = None
    ) -> AbstractAsyncContextManager[Subscription]: ...


class Answer:
    """An asynchronous iterator of the pieces of one answer, which together are its text.

    Raises TaskFailed or TaskCancelled behind the last piece of an answer that came to no good end. `gaps` says what of
    it the server could not deliver any more.
    """

    def __init__(self, run: TaskRun, on_question: ConfirmQuestion | None) -> None:
        self.run = run
        self.gaps: list[Gap] = []
        self._on_question = on_question

    def __aiter__(self) -> Answer:
        return self

    async def __anext__(self) -> str:
        async for event in self.run:
            match event:
                case Text(content=piece):
                    return piece
                case Question():
                    await self._reply(event)
                case Gap():
                    self.gaps.append(event)
                case _:
                    pass
        completed(self.run.outcome)
        raise StopAsyncIteration

    async def text(self) -> str:
        """All that is left of the answer, in one piece."""
        return "".join([piece async for piece in self])

    async def _reply(self, question: Question) -> None:
        approved = self._on_question is not None and await self._on_question(question)
        try:
            await self.run.confirm(question.step_id, approved)
        except RequestRefused as refused:
            # Another device was faster, or the time is up.
            if refused.code not in ("EXEC_FAILED", "NOT_FOUND"):
                raise


class Chat:
    """One conversation. The server lets one prompt wait for the one before."""

    def __init__(self, client: Conversing, session_id: str, on_question: ConfirmQuestion | None) -> None:
        self.session_id = session_id
        self._client = client
        self._on_question = on_question

    @asynccontextmanager
    async def say(self, prompt: str) -> AsyncIterator[Answer]:
        """The answer to a prompt. Leaving the block early does not cancel it: `answer.run.cancel()` does."""
        started = await self._client.exec(self.session_id, prompt)
        async with self._client.subscribe("task", started.exec_id, since="0") as events:
            yield Answer(TaskRun(started.exec_id, events, self._client), self._on_question)
