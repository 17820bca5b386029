"""What the commands on the store's file share."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from actors.store import StoreError
from engine.commands.options import read_config
from engine.database import SchemaError

replace_option = click.option("--replace", is_flag=True, help="Take the place of what is there already.")


@contextmanager
def store_file(config_file: Path | None) -> Iterator[Path]:
    """The configured file. What fails with it is told in a line; exit 1."""
    store = read_config(config_file, surroundings=False).store
    if store.in_memory:
        raise click.ClickException("`store.path` is `:memory:`: nothing is kept")
    try:
        yield store.path
    except (SchemaError, StoreError, sqlite3.Error) as error:
        raise click.ClickException(str(error)) from error
    except BrokenPipeError:
        # Whoever reads the output has had enough: not the file's fault, and click ends quietly.
        raise
    except FileNotFoundError as error:
        raise click.ClickException(f"{error.filename} does not exist") from error
    except BlockingIOError as error:
        raise click.ClickException(f"{error.strerror}; stop it first") from error
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error


def size(count: int) -> str:
    """Bytes for people: `512 B`, `1.5 MiB`."""
    amount, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
