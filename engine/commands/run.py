"""`callboard run`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from engine.commands.options import agent_option, server_options

if TYPE_CHECKING:
    from engine.interrupts import Interrupts


@click.command()
@click.argument("prompt")
@server_options
@agent_option
@click.option("--session", "session_id", help="The conversation that the task reads and extends.")
@click.option("--yes", "approve_all", is_flag=True, help="Answer every confirmation with yes.")
@click.pass_context
def run(
    context: click.Context,
    prompt: str,
    url: str,
    token: str | None,
    agent: str,
    session_id: str | None,
    approve_all: bool,
) -> None:
    """Run an agent and print its answer as it comes. PROMPT `-` reads the prompt from standard input.

    The answer goes to standard output, what goes on around it to standard error. Ctrl-C cancels the task and waits for
    its end. Exit status 0 if it has completed, 1 if it has failed, 130 if it was cancelled.
    """
    # Imported here, because the client library would slow down every other command's start.
    from engine.commands.talking import STANDARD_INPUT, connected, status_of, talk, task_terminal
    from engine.lines import Lines

    words = sys.stdin.read() if prompt == "-" else prompt

    async def command(interrupts: Interrupts) -> int:
        terminal = task_terminal(interrupts, Lines(STANDARD_INPUT), approve_all=approve_all)
        async with connected(url, token) as client, client.run(agent, words, session_id=session_id) as task:
            return status_of(await terminal.show(task))

    context.exit(talk(command))
