"""What the commands share that talk to a server over the client library. Imported when one is run: it takes a while."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import click
import trio

from callboard_client import Cancellation, Client, ClientError, Completed, Failed, Outcome, connect
from callboard_client.target import Target
from engine.interrupts import INTERRUPTED, Interrupts, interruptible
from engine.lines import Lines
from engine.run_text import RunText
from engine.task_terminal import TaskTerminal

STANDARD_INPUT = 0


def talk(command: Callable[[Interrupts], Awaitable[int]]) -> int:
    """Runs the command and returns its exit status; an error of the client's is one line and exit 1."""
    try:
        return trio.run(interruptible, command)
    except ClientError as error:
        raise click.ClickException(str(error)) from error


@asynccontextmanager
async def connected(url: str, token: str | None) -> AsyncIterator[Client]:
    def tell(reason: str, seconds: float) -> None:
        click.echo(f"\nconnection lost: {reason}; next attempt in {seconds:.1f} s", err=True)

    try:
        Target.parse(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url") from error
    async with connect(url, token, on_drop=tell) as client:
        yield client


def task_terminal(interrupts: Interrupts, lines: Lines, *, approve_all: bool) -> TaskTerminal:
    text = RunText(colour=sys.stderr.isatty() and sys.stdout.isatty())
    return TaskTerminal(text, lines, interrupts, approve_all=approve_all)


def status_of(outcome: Outcome | None) -> int:
    """0 for a good end, 1 for a failure, 130 for a cancelled task."""
    match outcome:
        case Completed():
            return 0
        case Cancellation():
            return INTERRUPTED
        case Failed() | None:
            return 1
