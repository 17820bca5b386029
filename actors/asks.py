"""The commands that wait for an actor which carries them out one by one, and their answers."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import trio

from actors.commands import Receipt, TaskCommand
from actors.errors import CallboardError
from actors.mailbox import Mailbox, Reply
from actors.principal import Principal

_MAILBOX = 64


class Ask(msgspec.Struct, frozen=True):
    """A command to the task, already known to be allowed."""

    principal: Principal
    command: TaskCommand
    reply: Reply[Receipt]


class Asks:
    """A task's mailbox of commands. Full-policy: who asks waits, and brings the deadline."""

    def __init__(self, answer_ended: Callable[[TaskCommand], Receipt]) -> None:
        """`answer_ended` answers whoever came too late."""
        self._answer_ended = answer_ended
        self._mailbox: Mailbox[Ask] = Mailbox(_MAILBOX)
        self._ref = self._mailbox.ref

    async def ask(self, principal: Principal, command: TaskCommand) -> Receipt:
        """Raises CallboardError as the task refuses."""
        reply: Reply[Receipt] = Reply()
        try:
            await self._ref.send(Ask(principal, command, reply))
        except trio.BrokenResourceError:
            return self._answer_ended(command)
        return await reply.wait()

    async def receive(self) -> Ask:
        """The next one. Whoever takes it answers it."""
        return await self._mailbox.receive()

    def close(self) -> None:
        """The task has ended. Answers those that wait, and from now on everybody at once."""
        while True:
            try:
                ask = self._mailbox.receive_nowait()
            except trio.WouldBlock:
                break
            try:
                ask.reply.answer(self._answer_ended(ask.command))
            except CallboardError as refusal:
                ask.reply.fail(refusal)
        self._mailbox.close()
