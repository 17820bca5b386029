"""What the commands on the store's file share."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from actors.store import StoreError
from actors.unreadable import UNREADABLE
from engine.commands.options import read_config
from engine.database import SchemaError

_ENDS = ("-wal", "-shm", "-mark")
"""Of the names of the files beside the store's own."""
replace_option = click.option("--replace", is_flag=True, help="Take the place of what is there already.")


@contextmanager
def store_file(config_file: Path | None) -> Iterator[Path]:
    """The configured file. What fails with it is told in a line; exit 1."""
    store = read_config(config_file, surroundings=False).store
    if store.in_memory:
        raise click.ClickException("`store.path` is `:memory:`: nothing is kept")
    try:
        if store.path.is_dir():
            raise click.ClickException(f"{store.path} is a directory")
        yield store.path
    except (SchemaError, StoreError, *UNREADABLE, sqlite3.Error) as error:
        raise click.ClickException(_about(store.path, error)) from error
    except BrokenPipeError:
        # Whoever reads the output has had enough: not the file's fault, and click ends quietly.
        raise
    except FileNotFoundError as error:
        raise click.ClickException(f"{error.filename} does not exist") from error
    except BlockingIOError as error:
        raise click.ClickException(f"{error.strerror}; stop it first") from error
    except OSError as error:
        name = "" if error.filename is None else f"{error.filename}: "
        raise click.ClickException(f"{name}{error.strerror or error}") from error


def check_apart(path: Path, target: Path) -> None:
    """Raises click.ClickException where what is to be written would take the place of the store."""
    own = [path, *(path.with_name(path.name + end) for end in _ENDS)]
    if target.absolute() in [one.absolute() for one in own] or (target.exists() and path.samefile(target)):
        raise click.ClickException(f"{target} is the store itself")


def _about(path: Path, error: Exception) -> str:
    if isinstance(error, UNREADABLE):
        return f"{path} holds records of another version, or damaged ones: {error}"
    return str(error) if isinstance(error, SchemaError) else f"{path}: {error}"


def size(count: int) -> str:
    """Bytes for people: `512 B`, `1.5 MiB`."""
    amount, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
