"""A bounded mailbox, the typed handle that fills it, and the one-shot reply."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec
import trio

M = TypeVar("M")
T = TypeVar("T")


class MailboxStatistics(msgspec.Struct, frozen=True):
    capacity: int
    waiting: int
    received: int


class Mailbox(Generic[M]):
    """Where an actor's messages wait. It belongs to the child spec and not to the run, so it outlives a restart.

    Full-policy: `send` waits, `send_nowait` raises trio.WouldBlock. After `close` both raise trio.BrokenResourceError
    and what still waits is discarded with it.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._received = 0
        self._send, self._receive = trio.open_memory_channel[M](capacity)

    @property
    def ref(self) -> Ref[M]:
        return Ref(self._send)

    async def receive(self) -> M:
        """Waits for the next message. Raises trio.ClosedResourceError once the mailbox is closed."""
        message = await self._receive.receive()
        self._received += 1
        return message

    def __aiter__(self) -> Mailbox[M]:
        return self

    async def __anext__(self) -> M:
        """Messages until the mailbox is closed."""
        try:
            return await self.receive()
        except trio.ClosedResourceError:
            raise StopAsyncIteration from None

    def receive_nowait(self) -> M:
        """The next message. Raises trio.WouldBlock when none waits."""
        message = self._receive.receive_nowait()
        self._received += 1
        return message

    def close(self) -> None:
        self._receive.close()

    def statistics(self) -> MailboxStatistics:
        return MailboxStatistics(self._capacity, self._send.statistics().current_buffer_used, self._received)


class Ref(Generic[M]):
    """The typed handle on an actor: all that anyone else has of it."""

    __slots__ = ("_send",)

    def __init__(self, send: trio.MemorySendChannel[M]) -> None:
        self._send = send

    async def send(self, message: M) -> None:
        """Waits while the mailbox is full. Raises trio.BrokenResourceError once it is closed for good."""
        await self._send.send(message)

    def send_nowait(self, message: M) -> None:
        """Raises trio.WouldBlock when the mailbox is full, trio.BrokenResourceError once it is closed for good."""
        self._send.send_nowait(message)


class Reply(Generic[T]):
    """A one-shot answer that travels inside a request.

    Answering never fails and never blocks: where the asker has given up, or an answer was given already, the late one
    is dropped, so that impatience cannot crash the one who answers.
    """

    __slots__ = ("_answered", "_error", "_value")

    def __init__(self) -> None:
        self._answered = trio.Event()
        self._value: T | None = None
        self._error: Exception | None = None

    @property
    def is_answered(self) -> bool:
        return self._answered.is_set()

    @property
    def has_failed(self) -> bool:
        """Whether an error was given in place of an answer."""
        return self._error is not None

    def answer(self, value: T) -> None:
        if not self._answered.is_set():
            self._value = value
            self._answered.set()

    def fail(self, error: Exception) -> None:
        if not self._answered.is_set():
            self._error = error
            self._answered.set()

    async def wait(self) -> T:
        """The answer, or the error given in its place. The asker brings its own deadline."""
        await self._answered.wait()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # answered without an error means that it holds a T
