"""`callboard import`."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from engine.commands.on_store import replace_option, store_file
from engine.commands.options import config_option
from engine.importer import ImportMistake, import_lines


@click.command("import")
@config_option
@click.argument("file", type=click.File("rb"))
@replace_option
def import_(config_file: Path | None, file: BinaryIO, replace: bool) -> None:
    """Put what `export` wrote into the store: all of FILE (`-`: standard input), or nothing.

    The server must not be running. Tasks and sessions that are there already are refused. Their offsets stay, in a
    new epoch: who resumes an old position is told of a gap. They are the newest ones in every list.
    """
    try:
        with store_file(config_file) as path:
            imported = import_lines(path, file, replace=replace)
    except ImportMistake as error:
        raise click.ClickException(f"{file.name}: {error}; nothing was imported") from error
    counts = ", ".join(f"{count} {what}" for what, count in msgspec.structs.asdict(imported).items())
    click.echo(f"Imported {counts}.", err=True)
