"""`callboard chat`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from engine.commands.options import agent_option, server_options

if TYPE_CHECKING:
    from engine.interrupts import Interrupts


@click.command()
@server_options
@agent_option
@click.option("--session", "session_id", help="The conversation to go on with. [default: a new one]")
@click.option("--yes", "approve_all", is_flag=True, help="Answer every confirmation with yes.")
@click.pass_context
def chat(
    context: click.Context, url: str, token: str | None, agent: str, session_id: str | None, approve_all: bool
) -> None:
    """Talk with an agent, line by line, until Ctrl-D. Ctrl-C cancels an answer; where none is under way it ends.

    A conversation that goes on (`--session`) keeps the agent that it was opened with.
    """
    # Imported here, because the client library would slow down every other command's start.
    from engine.commands.talking import STANDARD_INPUT, connected, talk, task_terminal
    from engine.lines import Lines

    async def command(interrupts: Interrupts) -> int:
        lines = Lines(STANDARD_INPUT)
        terminal = task_terminal(interrupts, lines, approve_all=approve_all)
        async with connected(url, token) as client:
            conversation = client.chat(session_id or await client.create_session(agent=agent))
            click.echo(f"session {conversation.session_id}; Ctrl-D ends", err=True)
            while (line := await _prompt(lines)) is not None:
                if line.strip():
                    async with conversation.say(line) as answer:
                        await terminal.show(answer.run)
        return 0

    async def _prompt(lines: Lines) -> str | None:
        if sys.stdin.isatty():
            click.echo("> ", nl=False, err=True)
        return await lines.next()

    context.exit(talk(command))
