"""The directory of connections: one per device of a user, and the round that looks after them all."""

from __future__ import annotations

from typing import Protocol

import msgspec
import trio

from actors.connection import Connection
from actors.errors import CloseCode
from actors.pace import Pace
from actors.principal import Principal, Verifier


class Peer(Protocol):
    """What the round needs of a connection's transport."""

    @property
    def last_received(self) -> float:
        """When the peer was last heard of, in trio's time."""
        ...

    @property
    def answers(self) -> bool:
        """Whether a living peer answers a heartbeat (a WebSocket ping) or only takes it (an event stream's comment)."""
        ...

    def beat(self) -> None:
        """Sends a heartbeat. Never blocks."""
        ...


class ConnectionsOptions(msgspec.Struct, frozen=True):
    """A peer silent for `heartbeat_seconds` is pinged; two pings unanswered and it is given up."""

    heartbeat_seconds: float = 30.0


class ConnectionsStatistics(msgspec.Struct, frozen=True):
    open: int
    authenticated: int
    lagging: int
    replaced_total: int
    silent_total: int
    expired_total: int
    opened_total: int


class _Watch:
    __slots__ = ("beat_seconds", "beaten_at", "given_up", "peer", "unanswered")

    def __init__(self, peer: Peer, now: float, beat_seconds: float | None) -> None:
        self.peer = peer
        self.beat_seconds = beat_seconds
        self.beaten_at = now
        self.unanswered = 0
        self.given_up = False
        """Closed by a round; its transport removes it in its own time."""


class Connections:
    """All connections of the engine. One timer's round serves ten thousand, instead of a timer each."""

    def __init__(self, verifier: Verifier, options: ConnectionsOptions | None = None) -> None:
        self._verifier = verifier
        self._options = options or ConnectionsOptions()
        self._watches: dict[Connection, _Watch] = {}
        self._devices: dict[tuple[str, str], Connection] = {}
        self._replaced = self._silent = self._expired = self._opened = 0

    def __len__(self) -> int:
        return len(self._watches)

    def add(self, connection: Connection, peer: Peer, now: float, *, beat_seconds: float | None = None) -> None:
        """`beat_seconds`: this peer gets a heartbeat so often, also while it is heard of."""
        self._watches[connection] = _Watch(peer, now, beat_seconds)
        self._opened += 1

    def remove(self, connection: Connection) -> None:
        """The connection is over. Idempotent."""
        self._watches.pop(connection, None)
        self._leave_device(connection)

    def identify(self, connection: Connection, principal: Principal, device_id: str) -> None:
        """Names the user and the device behind a connection; the same device's older one is closed.

        Another user than before, or one with other rights, starts without subscriptions.
        """
        self._leave_device(connection)
        before = connection.principal
        if before is not None and (before.user_id, before.is_admin) != (principal.user_id, principal.is_admin):
            # What the former user saw may not be for this one.
            connection.detach()
        connection.principal, connection.device_id = principal, device_id
        device = (principal.user_id, device_id)
        older = self._devices.get(device)
        self._devices[device] = connection
        if older is not None and older is not connection:
            self._replaced += 1
            older.close(CloseCode.REPLACED, "this device has connected again")

    async def round(self, now: float, unix_now: float) -> None:
        """Closes those whose credential has run out or was revoked, pings the silent, gives up the dead.

        Others run meanwhile: clients may come, whom the next round looks after, and go.
        """
        await trio.lowlevel.checkpoint()
        pace = Pace()
        # Asking may read the credentials' store: once for each credential, not for each of its connections.
        standing: dict[Principal, bool] = {}
        for connection, watch in tuple(self._watches.items()):
            if pace.is_due():
                await pace.step_aside()
            if watch.given_up or connection not in self._watches:
                continue
            principal = connection.principal
            if principal is not None and principal not in standing:
                standing[principal] = self._stands(principal, unix_now)
            if principal is not None and not standing[principal]:
                watch.given_up = True
                self._expired += 1
                connection.close(CloseCode.UNAUTHORIZED, "the credential has expired or was revoked")
            else:
                self._beat(connection, watch, now)

    def close_all(self, code: CloseCode, reason: str) -> None:
        for connection in tuple(self._watches):
            connection.close(code, reason)

    def statistics(self) -> ConnectionsStatistics:
        return ConnectionsStatistics(
            open=len(self._watches),
            authenticated=sum(connection.principal is not None for connection in self._watches),
            lagging=sum(connection.outbox.busy for connection in self._watches),
            replaced_total=self._replaced,
            silent_total=self._silent,
            expired_total=self._expired,
            opened_total=self._opened,
        )

    def _stands(self, principal: Principal, unix_now: float) -> bool:
        expired = principal.expires_at is not None and principal.expires_at <= unix_now
        return not expired and self._verifier.is_valid(principal)

    def _beat(self, connection: Connection, watch: _Watch, now: float) -> None:
        interval = watch.beat_seconds or self._options.heartbeat_seconds
        heard = watch.peer.last_received if watch.peer.answers else watch.beaten_at
        if heard > watch.beaten_at:
            watch.unanswered = 0
        quiet_since = watch.beaten_at if watch.beat_seconds else max(heard, watch.beaten_at)
        if now - quiet_since < interval:
            return
        if watch.unanswered >= 2:
            watch.given_up = True
            self._silent += 1
            connection.outbox.abort()
            return
        watch.beaten_at = now
        watch.unanswered += watch.peer.answers
        watch.peer.beat()

    def _leave_device(self, connection: Connection) -> None:
        if connection.principal is None:
            return
        device = (connection.principal.user_id, connection.device_id)
        if self._devices.get(device) is connection:
            del self._devices[device]
