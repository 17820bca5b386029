"""API keys: made, listed, revoked, and found again by their hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from actors.principal import Principal, Scope
from engine.database import open_database, transaction
from engine.jwt_tokens import known_scopes

PREFIX = "ab_"
CREDENTIAL_PREFIX = "key:"
_COLUMNS = "id, hash, user_id, scopes, created, expires, revoked"


class ApiKey(msgspec.Struct, frozen=True):
    """What is stored of a key. Times are Unix seconds; the key itself is nowhere."""

    id: str
    hash: bytes
    user_id: str
    scopes: frozenset[Scope]
    created: float
    expires: float | None
    revoked: float | None

    def stands(self, now: float) -> bool:
        return self.revoked is None and not self.has_expired(now)

    def has_expired(self, now: float) -> bool:
        return self.expires is not None and self.expires <= now

    @property
    def principal(self) -> Principal:
        return Principal(self.user_id, self.scopes, self.expires, CREDENTIAL_PREFIX + self.id)


def digest(key: str) -> bytes:
    """SHA-256 of the key.

    A slow password hash would protect guessable secrets; a key is 256 random bits, which cannot be guessed however
    fast the hash is, and a fast one lets every request be checked.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


class ApiKeys:
    """The table of keys, over a connection of its own. Every method blocks for as long as SQLite does."""

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time, wait_seconds: float = 5.0) -> None:
        """Raises engine.database.SchemaError, sqlite3.Error and OSError."""
        self._db = open_database(path, wait_seconds=wait_seconds)
        self._now = now
        self._data_version = -1
        self._generation = -1

    def close(self) -> None:
        self._db.close()

    def create(self, user_id: str, scopes: Iterable[Scope], *, expires: float | None = None) -> tuple[str, ApiKey]:
        """A new key and its record. The key cannot be had a second time."""
        key = PREFIX + secrets.token_urlsafe(32)
        granted = frozenset(scopes)
        record = ApiKey("k" + secrets.token_hex(6), digest(key), user_id, granted, self._now(), expires, None)
        row = (record.id, record.hash, user_id, " ".join(sorted(granted)), record.created, expires, None)

        def insert(db: sqlite3.Connection) -> None:
            db.execute(f"INSERT INTO api_key ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608  # constant
            db.execute("UPDATE api_key_generation SET value = value + 1")

        transaction(self._db, insert)
        return key, record

    def revoke(self, key_or_id: str) -> ApiKey | None:
        """Ends a key for good and returns its record; None where there is none. Revoking twice changes nothing."""
        record = self.by_hash(digest(key_or_id)) if key_or_id.startswith(PREFIX) else self.by_id(key_or_id)
        if record is None:
            return None

        def update(db: sqlite3.Connection) -> None:
            db.execute("UPDATE api_key SET revoked = ? WHERE id = ? AND revoked IS NULL", (self._now(), record.id))
            db.execute("UPDATE api_key_generation SET value = value + 1")

        transaction(self._db, update)
        return self.by_id(record.id)

    def all(self) -> list[ApiKey]:
        """Every key, oldest first, the ended ones too."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM api_key ORDER BY created, id")  # noqa: S608  # constant
        return [_record(row) for row in rows]

    def by_id(self, key_id: str) -> ApiKey | None:
        query = f"SELECT {_COLUMNS} FROM api_key WHERE id = ?"  # noqa: S608  # constant
        row = self._db.execute(query, (key_id,)).fetchone()
        return _record(row) if row else None

    def by_hash(self, wanted: bytes) -> ApiKey | None:
        """The index compares hashes, whose timing tells an attacker nothing that he can steer; the last word has a
        comparison in constant time all the same."""
        query = f"SELECT {_COLUMNS} FROM api_key WHERE hash = ?"  # noqa: S608  # constant
        row = self._db.execute(query, (wanted,)).fetchone()
        return _record(row) if row and hmac.compare_digest(row[1], wanted) else None

    def generation(self) -> int:
        """A number that changes whenever any process creates or revokes a key.

        `PRAGMA data_version` answers from shared memory in some microseconds whether another connection committed
        anything at all, so that the table is asked only then.
        """
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._data_version:
            (self._generation,) = self._db.execute("SELECT value FROM api_key_generation").fetchone()
            self._data_version = version
        return self._generation


def _record(row: tuple[str, bytes, str, str, float, float | None, float | None]) -> ApiKey:
    key_id, hashed, user_id, scopes, created, expires, revoked = row
    return ApiKey(key_id, hashed, user_id, known_scopes(scopes), created, expires, revoked)
