"""`callboard export`."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import click

from engine.commands.on_store import replace_option, store_file
from engine.commands.options import config_option
from engine.exporter import NothingToExport, export
from engine.whole_file import whole_file


@click.command("export")
@config_option
@click.argument("name", metavar="TASK|SESSION")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A file. [default: standard output]")
@replace_option
def export_(config_file: Path | None, name: str, output: Path | None, replace: bool) -> None:
    """Write a task, or a session with its tasks, as JSON lines. A running server goes on meanwhile."""
    try:
        with store_file(config_file) as path, closing(export(path, name)) as lines:
            if output is None:
                sys.stdout.buffer.writelines(lines)
                sys.stdout.buffer.flush()
                return
            with whole_file(output, replace=replace) as name_for_now, name_for_now.open("wb") as file:
                file.writelines(lines)
    except NothingToExport as error:
        raise click.ClickException(str(error)) from error
