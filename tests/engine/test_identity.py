"""The verifier of the whole process, beside another process that makes and revokes keys."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from actors.errors import CallboardError, ErrorCode
from actors.principal import ANONYMOUS, Principal, Scope
from engine.api_keys import ApiKeys
from engine.identity import Identity, KeyVerifier
from tests.engine.test_jwt_tokens import KEYS, signed


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


@pytest.fixture(name="table")
def _table(path: Path, clock: Clock) -> Iterator[ApiKeys]:
    table = ApiKeys(path, now=clock)
    yield table
    table.close()


@pytest.fixture(name="identity")
def _identity(path: Path, clock: Clock) -> Iterator[Identity]:
    keys = KeyVerifier(path, now=clock)
    yield Identity(keys, KEYS["EdDSA"][1], now=clock)
    keys.close()


async def refusal(identity: Identity, token: str) -> str:
    with pytest.raises(CallboardError) as caught:
        await identity.verify(token)
    assert caught.value.code is ErrorCode.UNAUTHORIZED
    return caught.value.message


async def test_a_new_key_works_and_a_revoked_one_stops_at_once(identity: Identity, table: ApiKeys) -> None:
    assert await refusal(identity, "ab_" + "x" * 43) == "the API key is unknown"
    key, record = table.create("ada", [Scope.PUBLISH])
    principal = await identity.verify(key)
    assert principal == await identity.verify(key) == record.principal
    assert identity.is_valid(principal)
    table.revoke(record.id)
    assert not identity.is_valid(principal)
    assert await refusal(identity, key) == "the API key was revoked"


async def test_a_key_that_was_unknown_a_moment_ago_works(identity: Identity, table: ApiKeys, path: Path) -> None:
    key, record = table.create("ada", [])
    table.revoke(record.id)
    assert await refusal(identity, key) == "the API key was revoked"
    other, _ = table.create("bob", [])
    assert (await identity.verify(other)).user_id == "bob"


async def test_a_revoked_key_is_refused_by_the_very_next_verify(identity: Identity, table: ApiKeys) -> None:
    key, record = table.create("ada", [])
    await identity.verify(key)
    await identity.verify(key)
    table.revoke(record.id)
    assert await refusal(identity, key) == "the API key was revoked"


async def test_a_key_is_recalled_once_it_is_known_and_while_it_stands(
    identity: Identity, table: ApiKeys, clock: Clock
) -> None:
    key, record = table.create("ada", [], expires=1010)
    assert identity.recall(key) is None
    principal = await identity.verify(key)
    assert identity.recall(key) == principal
    assert identity.recall("a.b.c") is None
    assert identity.recall("ab_" + "x" * 20_000) is None
    clock.seconds = 1010
    assert identity.recall(key) is None
    clock.seconds = 1000
    assert identity.recall(key) == principal
    table.revoke(record.id)
    assert identity.recall(key) is None


async def test_a_revocation_during_a_look_up_is_seen_afterwards(
    identity: Identity, table: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, record = table.create("ada", [])
    original = ApiKeys.by_hash

    def revoked_meanwhile(keys: ApiKeys, wanted: bytes) -> object:
        found = original(keys, wanted)
        table.revoke(record.id)
        return found

    monkeypatch.setattr(ApiKeys, "by_hash", revoked_meanwhile)
    principal = await identity.verify(key)
    assert not identity.is_valid(principal)
    monkeypatch.undo()
    assert await refusal(identity, key) == "the API key was revoked"


async def test_validity_is_known_without_an_earlier_verify(identity: Identity, table: ApiKeys) -> None:
    _, record = table.create("ada", [])
    assert identity.is_valid(record.principal)
    assert not identity.is_valid(Principal("ada", credential_id="key:knone"))


async def test_expiry(identity: Identity, table: ApiKeys, clock: Clock) -> None:
    key, _ = table.create("ada", [], expires=1010)
    principal = await identity.verify(key)
    clock.seconds = 1010
    assert not identity.is_valid(principal)
    assert await refusal(identity, key) == "the API key has expired"


async def test_commands_in_another_process(path: Path) -> None:
    def callboard(*arguments: str) -> str:
        environ = {"CALLBOARD_STORE__PATH": str(path), "PATH": ""}
        command = [sys.executable, "-m", "engine", "token", *arguments]
        return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout

    keys = KeyVerifier(path)
    identity = Identity(keys, None)
    key = (await trio.to_thread.run_sync(lambda: callboard("create", "--user", "ada", "--scope", "admin"))).strip()
    principal = await identity.verify(key)
    assert (principal.user_id, principal.is_admin) == ("ada", True)
    await trio.to_thread.run_sync(lambda: callboard("revoke", key))
    assert not identity.is_valid(principal)
    assert await refusal(identity, key) == "the API key was revoked"
    keys.close()


async def test_look_ups_leave_the_event_loop(
    identity: Identity, table: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    original = ApiKeys.by_hash

    def watched(keys: ApiKeys, wanted: bytes) -> object:
        threads.append(threading.get_ident())
        return original(keys, wanted)

    monkeypatch.setattr(ApiKeys, "by_hash", watched)
    key, _ = table.create("ada", [])
    await identity.verify(key)
    await identity.verify(key)
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_while_the_file_cannot_be_asked_what_is_known_holds(
    identity: Identity, table: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(_keys: ApiKeys) -> int:
        raise sqlite3.OperationalError("database is locked")

    key, record = table.create("ada", [])
    principal = await identity.verify(key)
    table.revoke(record.id)
    with monkeypatch.context() as patch:
        patch.setattr(ApiKeys, "generation", locked)
        assert identity.is_valid(principal)
        assert await identity.verify(key) == principal
    assert not identity.is_valid(principal)


async def test_another_processs_write_makes_no_one_wait(identity: Identity, table: ApiKeys, path: Path) -> None:
    key, record = table.create("ada", [])
    principal = await identity.verify(key)
    lock = ApiKeys(path)
    lock._db.execute("BEGIN IMMEDIATE")
    assert identity.is_valid(principal)
    assert await identity.verify(key) == record.principal
    lock._db.execute("ROLLBACK")
    lock.close()


async def test_credentials_are_told_apart(identity: Identity, path: Path) -> None:
    assert (await identity.verify(signed("EdDSA"))).user_id == "ada"
    assert await refusal(identity, "hello") == "the credential is neither an API key (ab_…) nor a JWT"
    assert await refusal(identity, "") == "the credential is neither an API key (ab_…) nor a JWT"
    assert await refusal(identity, "a.b.c") == "the token is malformed"
    assert await refusal(identity, "ab_\udc80") == "the API key is unknown"
    assert await refusal(identity, "x" * 20_000) == "a credential has at most 16384 characters"
    keys = KeyVerifier(path)
    without = Identity(keys, None)
    assert await refusal(without, signed("EdDSA")) == "this server takes no JWT (auth.jwt is not configured)"
    keys.close()


async def test_tokens_and_the_anonymous_user_stand_until_they_expire(identity: Identity, clock: Clock) -> None:
    principal = await identity.verify(signed("EdDSA", exp=4_000_000_000))
    assert identity.is_valid(principal)
    assert identity.is_valid(ANONYMOUS)
    clock.seconds = 4_000_000_000
    assert not identity.is_valid(principal)
    assert identity.is_valid(ANONYMOUS)


async def test_a_table_that_cannot_be_read_refuses_strangers_for_the_time_being(path: Path, clock: Clock) -> None:
    table = ApiKeys(path, now=clock)
    key, record = table.create("alice", ())
    table.close()
    keys = KeyVerifier(path, now=clock)
    identity = Identity(keys, None, now=clock)
    _overwrite(path)
    with pytest.raises(CallboardError, match="cannot be looked up") as caught:
        await identity.verify(key)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert caught.value.retry_after
    # Who was let in before stays.
    assert identity.is_valid(record.principal)
    keys.close()


def _overwrite(path: Path) -> None:
    """All but the header: who holds the file open goes on reading."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"garbage!" * ((path.stat().st_size - 4096) // 8))
