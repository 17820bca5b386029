"""`callboard cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.commands.options import server_options

if TYPE_CHECKING:
    from engine.interrupts import Interrupts


@click.command()
@click.argument("task_id", metavar="TASK")
@server_options
@click.pass_context
def cancel(context: click.Context, task_id: str, url: str, token: str | None) -> None:
    """Ask a task to stop, and print the state that it is in then: cancelling, or how it had ended."""
    # Imported here, because the client library would slow down every other command's start.
    from engine.commands.talking import connected, talk

    async def command(_interrupts: Interrupts) -> int:
        async with connected(url, token) as client:
            click.echo((await client.cancel(task_id)).state)
        return 0

    context.exit(talk(command))
