"""API keys: their life, their file, and who may read it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from actors.principal import Principal, Scope
from engine.api_keys import ApiKeys, digest
from engine.database import MIGRATIONS, SchemaError, open_database


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "callboard.db"


def test_a_key_is_random_and_kept_as_a_hash_only(path: Path, clock: Clock) -> None:
    keys = ApiKeys(path, now=clock)
    made = [keys.create("ada", [Scope.PUBLISH])[0] for _ in range(50)]
    assert len(set(made)) == 50
    assert all(key.startswith("ab_") and len(key) >= 35 for key in made)
    keys.close()
    stored = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert digest(made[0]) in stored
    assert not any(key.encode() in stored or key[3:].encode() in stored for key in made)


def test_what_is_known_of_a_key(path: Path, clock: Clock) -> None:
    keys = ApiKeys(path, now=clock)
    key, record = keys.create("ada", [Scope.PUBLISH, Scope.AGENT], expires=1010)
    assert keys.by_hash(digest(key)) == keys.by_id(record.id) == record
    assert record.principal == Principal("ada", frozenset({Scope.PUBLISH, Scope.AGENT}), 1010, f"key:{record.id}")
    assert record.stands(1009.9)
    assert not record.stands(1010)
    assert keys.all() == [record]
    keys.close()


@pytest.mark.parametrize("by", ["key", "id"])
def test_revoking(path: Path, clock: Clock, by: str) -> None:
    keys = ApiKeys(path, now=clock)
    key, record = keys.create("ada", [])
    other, _ = keys.create("ada", [])
    clock.seconds = 1001
    revoked = keys.revoke(key if by == "key" else record.id)
    clock.seconds = 1002
    assert revoked == keys.revoke(record.id)
    assert revoked is not None
    assert revoked.revoked == 1001
    found = keys.by_hash(digest(other))
    assert found is not None
    assert found.revoked is None
    assert keys.revoke("ab_unknown") is keys.revoke("kunknown") is None
    keys.close()


def test_the_generation_tells_of_another_connections_changes(path: Path, clock: Clock) -> None:
    ours, theirs = ApiKeys(path, now=clock), ApiKeys(path, now=clock)
    first = ours.generation()
    assert ours.generation() == first
    _, record = theirs.create("ada", [])
    second = ours.generation()
    theirs.revoke(record.id)
    third = ours.generation()
    assert len({first, second, third}) == 3
    ours.close()
    theirs.close()


def test_a_commit_that_touches_no_key_changes_no_generation(path: Path) -> None:
    keys, writer = ApiKeys(path), open_database(path)
    before = keys.generation()
    writer.execute("CREATE TABLE other (x)")
    writer.execute("INSERT INTO other VALUES (1)")
    assert keys.generation() == before
    keys.close()
    writer.close()


def test_the_file_is_its_owners_alone(path: Path) -> None:
    keys = ApiKeys(path)
    keys.create("ada", [])
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    keys.close()


def test_a_link_to_where_nothing_is_yet_is_no_way_around_that(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    ApiKeys(link).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_schema_version(path: Path) -> None:
    ApiKeys(path).close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(SchemaError, match="is newer than this Callboard's"):
        ApiKeys(path)


def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_text("something else entirely, long enough to be read as a header\n" * 100)
    with pytest.raises(SchemaError, match="is not usable as Callboard's database"):
        ApiKeys(path)


def test_another_programs_database_is_left_as_it_is(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE bookmark (url TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(SchemaError, match="another program's"):
        ApiKeys(path)
    assert path.read_bytes() == before
