"""`callboard backup`."""

from __future__ import annotations

from pathlib import Path

import click

from engine.backup import back_up
from engine.commands.on_store import check_apart, replace_option, size, store_file
from engine.commands.options import config_option


@click.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@replace_option
def backup(config_file: Path | None, file: Path, replace: bool) -> None:
    """Copy all that is kept to FILE. A running server goes on meanwhile.

    To go back to it, stop the server, delete the database with its -wal, -shm and -mark files, and put the copy in its
    place. Clients that resume are then told of a gap.
    """
    with store_file(config_file) as path:
        check_apart(path, file)
        copied = back_up(path, file, replace=replace)
    click.echo(f"Copied {size(copied)} to {file}.", err=True)
