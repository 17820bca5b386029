"""Who a credential belongs to: API keys and JSON Web Tokens behind the one port `actors.principal.Verifier`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import trio

from actors.errors import CallboardError, ErrorCode
from actors.principal import Principal
from engine import api_keys
from engine.api_keys import ApiKey, ApiKeys, digest
from engine.config import Jwt
from engine.jwt_tokens import JwtVerifier

MAXIMUM_TOKEN = 16_384


class KeyVerifier:
    """API keys, checked against the table that `callboard token` writes, in another process if need be.

    Records found are kept until the table's generation changes, so a revoked key is refused from the next check on,
    and a new one works at once. Keys that are unknown are not kept: a flood of them costs look-ups, not memory.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        """Blocks while the file is opened. Raises engine.database.SchemaError, sqlite3.Error and OSError."""
        # Two connections: a look-up in a thread must not make the event loop wait for the connection's lock, and what
        # the loop asks must not wait for another process's either.
        self._lookups = ApiKeys(path, now=now)
        self._watch = ApiKeys(path, now=now, wait_seconds=0)
        self._one_at_a_time = trio.CapacityLimiter(1)
        self._now = now
        self._generation = self._watch.generation()
        self._by_hash: dict[bytes, ApiKey] = {}
        self._by_id: dict[str, ApiKey] = {}

    def close(self) -> None:
        self._lookups.close()
        self._watch.close()

    async def verify(self, key: str) -> Principal:
        """Raises CallboardError UNAUTHORIZED, or UNAVAILABLE where the table cannot be read."""
        self._forget_if_changed()
        wanted = digest(key)
        record = self._by_hash.get(wanted)
        if record is None:
            record = await self._look_up(wanted)
        else:
            await trio.lowlevel.checkpoint()
        if record is None:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "the API key is unknown")
        if record.revoked is not None:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "the API key was revoked")
        if record.has_expired(self._now()):
            raise CallboardError(ErrorCode.UNAUTHORIZED, "the API key has expired")
        return record.principal

    def recall(self, key: str) -> Principal | None:
        """Whose a key is that is known and stands; None where `verify` has to say."""
        self._forget_if_changed()
        record = self._by_hash.get(digest(key))
        return record.principal if record is not None and record.stands(self._now()) else None

    async def _look_up(self, wanted: bytes) -> ApiKey | None:
        # What is read is at least as new as the generation known before; had it changed since, the next check would
        # notice and forget what is kept here.
        before = self._generation
        try:
            record = await trio.to_thread.run_sync(self._lookups.by_hash, wanted, limiter=self._one_at_a_time)
        except sqlite3.Error as error:
            message = f"API keys cannot be looked up at the moment: {error}"
            raise CallboardError(ErrorCode.UNAVAILABLE, message, retry_after=2.0) from error
        if record is not None and before == self._generation:
            self._keep(record)
        return record

    def stands(self, key_id: str) -> bool:
        """Whether the key is neither revoked nor expired. Reads memory, and one row where keys have changed since."""
        self._forget_if_changed()
        record = self._by_id.get(key_id)
        if record is None:
            try:
                record = self._watch.by_id(key_id)
            except sqlite3.Error:
                # Locked this instant, or not readable: it stood at the last check, and is asked again at the next.
                return True
            if record is None:
                return False
            self._keep(record)
        return record.stands(self._now())

    def _keep(self, record: ApiKey) -> None:
        self._by_hash[record.hash] = record
        self._by_id[record.id] = record

    def _forget_if_changed(self) -> None:
        try:
            generation = self._watch.generation()
        except sqlite3.Error:
            return  # locked by another process, or not readable: what is known holds until the next check
        if generation != self._generation:
            self._generation = generation
            self._by_hash.clear()
            self._by_id.clear()


class Identity:
    """The verifier of the whole process: `ab_…` is an API key, three parts with dots a token, all else is refused."""

    def __init__(self, keys: KeyVerifier, jwt: Jwt | None, *, now: Callable[[], float] = time.time) -> None:
        """Raises ValueError where the token's key does not fit its algorithm."""
        self._keys = keys
        self._tokens = JwtVerifier(jwt) if jwt is not None else None
        self._now = now

    async def verify(self, token: str) -> Principal:
        """The principal of an API key or a JWT. Raises CallboardError UNAUTHORIZED with a reason fit for the client."""
        if len(token) > MAXIMUM_TOKEN:
            await trio.lowlevel.checkpoint()
            raise CallboardError(ErrorCode.UNAUTHORIZED, f"a credential has at most {MAXIMUM_TOKEN} characters")
        if token.startswith(api_keys.PREFIX):
            return await self._keys.verify(token)
        await trio.lowlevel.checkpoint()
        if token.count(".") != 2:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "the credential is neither an API key (ab_…) nor a JWT")
        if self._tokens is None:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "this server takes no JWT (auth.jwt is not configured)")
        return self._tokens.verify(token)

    def recall(self, token: str) -> Principal | None:
        """As `verify`, for an API key that was looked up before and still stands. Never blocks."""
        known = len(token) <= MAXIMUM_TOKEN and token.startswith(api_keys.PREFIX)
        return self._keys.recall(token) if known else None

    def is_valid(self, principal: Principal) -> bool:
        """Whether a principal verified earlier still stands: not expired, and its key not revoked. Never blocks."""
        if principal.expires_at is not None and principal.expires_at <= self._now():
            return False
        key_id = principal.credential_id.removeprefix(api_keys.CREDENTIAL_PREFIX)
        return key_id == principal.credential_id or self._keys.stands(key_id)
