"""Numbers that serve once: who has seen one cannot use it a second time."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import trio

from actors.errors import CallboardError, ErrorCode
from actors.keeper import ForgetfulKeeper, Keeper
from actors.store import Record

NONCE = "nonce"
_SWEEP_SECONDS = 300.0


class UsedNonces:
    """The nonces that were shown and have not expired. At most `limit`; beyond it nobody new is let in."""

    def __init__(self, limit: int, keeper: Keeper | None = None) -> None:
        self._limit = limit
        self._keeper = keeper or ForgetfulKeeper()
        self._expiries: dict[tuple[str, str], float] = {}
        self._swept_at = 0.0

    def __len__(self) -> int:
        return len(self._expiries)

    def load(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Takes up the records of the kind NONCE."""
        for name, body in rows:
            key = msgspec.json.decode(name, type=tuple[str, str])
            self._expiries[key] = msgspec.msgpack.decode(body, type=float)

    async def use(self, owner: str, nonce: str, expires_at: float, now: float) -> None:
        """Returns once it is kept that the nonce was used: after a crash it is no good to anybody either. Times are
        Unix seconds. Raises CallboardError UNAUTHORIZED for one that was used, BUSY where there is no room,
        UNAVAILABLE where nothing can be kept; then it was not used."""
        key = owner, nonce
        if key in self._expiries:
            await trio.lowlevel.checkpoint()
            raise CallboardError(ErrorCode.UNAUTHORIZED, "the nonce has been used already")
        self._keeper.check()
        if len(self._expiries) >= self._limit or now - self._swept_at > _SWEEP_SECONDS:
            self._sweep(now)
        if len(self._expiries) >= self._limit:
            raise CallboardError(ErrorCode.BUSY, f"{self._limit} signatures are remembered", retry_after=5.0)
        # Also while it is on its way to the disk it serves nobody else.
        self._expiries[key] = expires_at
        try:
            await self._keeper.keep(Record(NONCE, _name(key), msgspec.msgpack.encode(expires_at)))
        except CallboardError:
            del self._expiries[key]
            raise

    def _sweep(self, now: float) -> None:
        # Not at each refusal of a flood: that would look through all of them each time.
        if now - self._swept_at < 1.0:
            return
        self._swept_at = now
        expired = [key for key, expiry in self._expiries.items() if expiry <= now]
        for key in expired:
            del self._expiries[key]
        self._keeper.note(*(Record(NONCE, _name(key), None) for key in expired))


def _name(key: tuple[str, str]) -> str:
    return msgspec.json.encode(key).decode()
