"""An engine that cannot have its database says why in one line and ends with status 1."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.e2e.engine_process import PATIENCE, engine_process, environment, serve_command
from tests.e2e.small_disk import make_read_only, small_disk
from tests.e2e.store_fault import OPEN


def test_no_database(tmp_path: Path) -> None:
    (tmp_path / "callboard.db").write_bytes(b"garbage! " * 10_000)
    assert "is not usable as Callboard's database: file is not a database" in _refusal(tmp_path)


def test_a_damaged_database(tmp_path: Path) -> None:
    with engine_process(tmp_path, OPEN):
        pass
    with (tmp_path / "callboard.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"garbage!" * 10_000)
    assert "malformed" in _refusal(tmp_path)


@pytest.mark.parametrize("garbage", [b"?", b'{"serial":1,"user_id":"\xff"}'])
def test_a_database_with_a_damaged_record(tmp_path: Path, garbage: bytes) -> None:
    with engine_process(tmp_path, OPEN):
        pass
    with sqlite3.connect(tmp_path / "callboard.db") as db:
        db.execute("INSERT INTO record VALUES ('session', 'session-1', ?)", (garbage,))
    db.close()
    assert "holds records of another version, or damaged ones" in _refusal(tmp_path)


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "callboard.db") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    assert "schema version 999 is newer than this Callboard's" in _refusal(tmp_path)


def test_a_database_that_another_engine_uses(tmp_path: Path) -> None:
    with engine_process(tmp_path, OPEN):
        assert "in use by another engine" in _refusal(tmp_path)


def test_a_database_that_another_process_holds(tmp_path: Path) -> None:
    with engine_process(tmp_path, OPEN):
        pass
    other = sqlite3.connect(tmp_path / "callboard.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert "locked" in _refusal(tmp_path)
    other.close()


def test_a_disk_that_can_only_be_read(tmp_path: Path) -> None:
    with small_disk(tmp_path):
        with engine_process(tmp_path, OPEN):
            pass
        make_read_only(tmp_path)
        assert "callboard.db cannot be read and written" in _refusal(tmp_path)


def _refusal(folder: Path) -> str:
    """What the engine says before it ends. Nothing in it is a traceback."""
    if not (folder / "callboard.toml").exists():
        (folder / "callboard.toml").write_text(OPEN)
    ended = subprocess.run(
        serve_command(0), cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE
    )
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    lines = [line for line in ended.stderr.splitlines() if '"event": "stopped"' not in line]
    assert len(lines) == 1, ended.stderr
    return ended.stderr
