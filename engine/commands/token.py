"""`callboard token create|revoke|list`."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from actors.principal import MAXIMUM_USER_ID, Scope, is_user_id
from engine.api_keys import ApiKey, ApiKeys
from engine.commands.options import config_option, read_config
from engine.database import SchemaError
from engine.database_file import DatabaseFile

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Duration(click.ParamType[int]):
    """`90s`, `15m`, `12h`, `30d`, `4w`: seconds."""

    name = "duration"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"([1-9][0-9]{0,5})([smhdw])", value)
        if found is None:
            self.fail(f"{value!r} is not a duration such as 90s, 15m, 12h, 30d or 4w", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


class UserId(click.ParamType[str]):
    name = "user"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_user_id(value):
            self.fail(f"a user's name has 1 to {MAXIMUM_USER_ID} printable characters, and is not `*`", param, ctx)
        return value


@click.group()
def token() -> None:
    """Create, revoke and list API keys. A running server notices at once."""


@token.command()
@config_option
@click.option("--user", required=True, type=UserId(), help="Whose key it is.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice([scope.value for scope in Scope]),
    help="What it may do beyond its own tasks and sessions; may be repeated.",
)  # fmt: skip
@click.option("--expires", type=Duration(), help="For how long it is good, such as 30d. [default: for ever]")
def create(config_file: Path | None, user: str, scopes: tuple[str, ...], expires: int | None) -> None:
    """Print a new key, alone, on standard output. It is not stored and cannot be shown again."""
    with _keys(config_file) as keys:
        key, record = keys.create(user, map(Scope, scopes), expires=time.time() + expires if expires else None)
    click.echo(f"{_line(record)}\nThe key is shown this once.", err=True)
    click.echo(key)


@token.command()
@config_option
@click.argument("key_or_id")
def revoke(config_file: Path | None, key_or_id: str) -> None:
    """End a key for good, named by itself or by its id."""
    with _keys(config_file) as keys:
        record = keys.revoke(key_or_id)
    if record is None:
        raise click.ClickException("there is no such key")
    click.echo(f"Revoked {record.id} of {record.user_id}.", err=True)


@token.command("list")
@config_option
def list_(config_file: Path | None) -> None:
    """List all keys, by id, the ended ones too."""
    with _keys(config_file) as keys:
        for record in keys.all():
            click.echo(_line(record))


@contextmanager
def _keys(config_file: Path | None) -> Iterator[ApiKeys]:
    store = read_config(config_file, surroundings=False).store
    if store.in_memory:
        raise click.ClickException("`store.path` is `:memory:`: nothing is kept, and no key would be known to anyone")
    path = store.path
    try:
        if path.is_file():
            DatabaseFile(path).close()
        keys = ApiKeys(path)
        try:
            yield keys
        finally:
            keys.close()
    except SchemaError as error:
        raise click.ClickException(str(error)) from error
    except sqlite3.Error as error:
        raise click.ClickException(f"{path}: {error}") from error
    except OSError as error:
        raise click.ClickException(f"{path} cannot be opened: {error.strerror or error}") from error


def _line(record: ApiKey) -> str:
    state = "good"
    if record.revoked is not None:
        state = f"revoked {_date(record.revoked)}"
    elif record.expires is not None:
        state = f"{'expired' if record.has_expired(time.time()) else 'expires'} {_date(record.expires)}"
    scopes = ",".join(sorted(record.scopes)) or "-"
    return f"{record.id}  {record.user_id}  {scopes}  created {_date(record.created)}  {state}"


def _date(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
