"""The commands on the store in the hands of somebody who errs: one line that says why, status 1, nothing changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner

from engine.cli import callboard
from engine.sqlite_log import SqliteLog
from tests.e2e.small_disk import SMALL_DISK_BYTES, make_read_only, small_disk
from tests.support.stored_conversation import keep_conversation

Damage: TypeAlias = Callable[[Path], object]
READERS = (("store",), ("export", "session-1"), ("backup", "copy.db"))
ALL = (*READERS, ("import", "moved.jsonl"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    keep_conversation(tmp_path / "callboard.db")
    CliRunner().invoke(callboard, ("export", "session-1", "--output", "moved.jsonl"), catch_exceptions=False)
    return tmp_path


def said(*arguments: str) -> str:
    """What the command says of an error, in its one line."""
    result = CliRunner().invoke(callboard, arguments)
    # Any other exception would be a traceback.
    assert (result.exit_code, type(result.exception)) == (1, SystemExit), result.output
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr.removeprefix("Error: ").rstrip("\n")


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def _age(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {version}")


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"garbage!" * (path.stat().st_size // 8 - 512))


def _replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "commands", "why"),
    [
        (Path.unlink, READERS, "callboard.db does not exist"),
        (_replace_by_folder, ALL, "callboard.db is a directory"),
        (lambda path: path.write_bytes(b"garbage! " * 1_000), ALL, "file is not a database"),
        (lambda path: path.write_bytes(b""), READERS, "schema version 0 is older than this Callboard's"),
        (lambda path: _age(path, 1), READERS, "schema version 1 is older"),
        (lambda path: _age(path, 999), ALL, "schema version 999 is newer than this Callboard's"),
        (_overwrite, ALL, "callboard.db: database disk image is malformed"),
    ],
)
def test_a_file_that_is_no_store(folder: Path, damage: Damage, commands: tuple[tuple[str, ...], ...], why: str) -> None:
    damage(folder / "callboard.db")
    for command in commands:
        assert why in said(*command)
    assert not (folder / "copy.db").exists()


@pytest.mark.parametrize("garbage", [b"?", b'{"user_id":"\xff"}'])
def test_a_record_that_is_damaged(folder: Path, garbage: bytes) -> None:
    with closing(sqlite3.connect(folder / "callboard.db")) as db:
        db.execute("UPDATE record SET body = ? WHERE kind = 'session'", (garbage,))
        db.commit()
    (folder / "callboard.db-mark").unlink()
    for command in (("export", "session-1"), ("import", "moved.jsonl")):
        assert "callboard.db holds records of another version, or damaged ones: " in said(*command)


def test_a_copy_of_damaged_pages_is_no_copy(folder: Path) -> None:
    """What is damaged is not what the command itself has to read."""
    with closing(sqlite3.connect(folder / "callboard.db")) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'settled'").fetchone()
    with (folder / "callboard.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"garbage!" * 512)
    assert said("backup", "copy.db").startswith("callboard.db: the database is damaged: ")
    assert not (folder / "copy.db").exists()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("export", "nobodys"), "there is no task and no session 'nobodys'"),
        (("export", "session-1", "--output", "no/where.jsonl"), "the directory {folder}/no does not exist"),
        (("export", "session-1", "--output", "moved.jsonl"), "moved.jsonl is there already"),
        (("export", "session-1", "--output", "callboard.db", "--replace"), "callboard.db is the store itself"),
        (("export", "session-1", "--output", "callboard.db-wal"), "callboard.db-wal is the store itself"),
        (("backup", "no/where.db"), "the directory {folder}/no does not exist"),
        (("backup", "moved.jsonl"), "moved.jsonl is there already"),
        (("backup", "./callboard.db", "--replace"), "callboard.db is the store itself"),
        (("backup", "linked.db", "--replace"), "linked.db is the store itself"),
        (
            ("import", "moved.jsonl"),
            "moved.jsonl: line 2: the session session-1 is there already; nothing was imported",
        ),
        (("import", "half.jsonl", "--replace"), "half.jsonl: line 6: the end is missing: the file was cut short; "),
        (("import", "callboard.db"), "callboard.db: line 1: "),
    ],
)
def test_an_argument_that_will_not_do(folder: Path, command: tuple[str, ...], why: str) -> None:
    (folder / "linked.db").symlink_to(folder / "callboard.db")
    (folder / "half.jsonl").write_bytes(b"".join((folder / "moved.jsonl").read_bytes().splitlines(keepends=True)[:5]))
    before = files(folder)
    assert said(*command).startswith(why.format(folder=folder))
    assert files(folder) == before


def test_a_disk_that_can_only_be_read_or_is_full(folder: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk):
        with (disk / "ballast").open("wb") as ballast:
            ballast.write(bytes(SMALL_DISK_BYTES - 8_192))
        assert said("backup", "disk/copy.db") == "disk/copy.db: No space left on device"
        assert [file.name for file in disk.iterdir()] == ["ballast"]
        make_read_only(disk)
        for command in (("backup", "disk/copy.db"), ("export", "session-1", "--output", "disk/moved.jsonl")):
            assert said(*command) == f"the directory {disk} cannot be written to"


def test_a_store_that_an_engine_uses(folder: Path) -> None:
    log = SqliteLog(folder / "callboard.db")
    path = (folder / "callboard.db").resolve()
    assert said("import", "moved.jsonl") == f"in use by another engine: {path}; stop it first"
    log.close()
