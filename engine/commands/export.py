"""`callboard export`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from engine.commands.on_store import check_apart, replace_option, store_file
from engine.commands.options import config_option
from engine.export_lines import Head
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
            head = next(lines)
            if output is None:
                _write(sys.stdout.buffer, head, lines)
            else:
                check_apart(path, output)
                with whole_file(output, replace=replace) as name_for_now, name_for_now.open("wb") as file:
                    _write(file, head, lines)
    except NothingToExport as error:
        raise click.ClickException(str(error)) from error
    for task in msgspec.json.decode(head, type=Head).unfinished:
        click.echo(f"{task} has not ended: where it is imported it is taken up as after a crash.", err=True)


def _write(file: BinaryIO, head: bytes, lines: Iterator[bytes]) -> None:
    file.write(head)
    file.writelines(lines)
    file.flush()
