"""A person at a terminal and a running task: what it says, what it asks, and Ctrl-C."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import click
import trio

from callboard_client import Answered, ClientError, Outcome, Question, RequestRefused, TaskEvent, TaskRun
from engine.interrupts import Interrupts
from engine.lines import Lines
from engine.run_text import Piece, RunText


class TaskTerminal:
    """Shows one task after the other until its end, Ctrl-C cancelling it and answers to its questions read on the way.

    With `approve_all` every question is answered yes and nothing is read.
    """

    def __init__(self, text: RunText, lines: Lines, interrupts: Interrupts, *, approve_all: bool) -> None:
        self._text = text
        self._lines = lines
        self._interrupts = interrupts
        self._approve_all = approve_all
        self._asking: dict[str, trio.CancelScope] = {}

    async def show(self, run: TaskRun) -> Outcome | None:
        """Raises ClientError where the rest of the task cannot be told."""
        failure: ClientError | None = None
        interrupted = trio.Event()
        self._interrupts.action = interrupted.set
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel, run, interrupted)
            try:
                async for event in run:
                    write(self._text.event(event))
                    self._attend(nursery, run, event)
            except ClientError as error:
                write(self._text.end())
                failure = error
            nursery.cancel_scope.cancel()
        self._interrupts.action = None
        if failure is not None:
            raise failure
        return run.outcome

    def _attend(self, nursery: trio.Nursery, run: TaskRun, event: TaskEvent) -> None:
        match event:
            case Question():
                nursery.start_soon(self._answer, run, event)
            case Answered(step_id=step_id) if step_id in self._asking:
                # On another device, or by the clock.
                self._asking[step_id].cancel()
            case _:
                pass

    async def _answer(self, run: TaskRun, question: Question) -> None:
        with trio.CancelScope() as scope:
            self._asking[question.step_id] = scope
            approved = self._approve_all or await self._ask()
            await _told(lambda: run.confirm(question.step_id, approved))
        del self._asking[question.step_id]

    async def _ask(self) -> bool:
        click.echo("Yes or no? [y/N] ", nl=False, err=True)
        line = await self._lines.next()
        if line is None:
            click.echo("nobody is there to answer: no", err=True)
        return line is not None and line.strip().lower() in ("y", "yes")

    async def _cancel(self, run: TaskRun, interrupted: trio.Event) -> None:
        await interrupted.wait()
        write(self._text.end())
        click.echo("cancelling; Ctrl-C again to leave it alone", err=True)
        await _told(run.cancel)


def write(pieces: list[Piece]) -> None:
    for piece in pieces:
        click.echo(piece.text, nl=False, err=not piece.answer)


async def _told(command: Callable[[], Awaitable[None]]) -> None:
    """Carries it out. What the server refuses, being too late, is told and no reason to end."""
    try:
        await command()
    except RequestRefused as refused:
        click.echo(f"refused: {refused}", err=True)
    except ClientError as error:
        click.echo(f"not sent: {error}", err=True)
