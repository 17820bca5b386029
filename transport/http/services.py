"""What the HTTP side needs of the rest of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from actors.connections import Connections
from actors.journal import JournalStatistics
from actors.outbox import OutboxOptions
from actors.principal import Principal, Verifier
from actors.router import Router
from actors.tool import Toolbox
from transport.pipelines import Pipelines
from transport.roster import Roster
from transport.steps_desk import StepsDesk
from transport.wallets import Wallets


class Readiness(StrEnum):
    """Whether the process takes work."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Tickets(Protocol):
    """Short-lived credentials for EventSource, which can send no header."""

    def issue(self, principal: Principal) -> tuple[str, float]:
        """A new ticket and for how many seconds it is good. Raises CallboardError BUSY when too many are out."""
        ...

    def redeem(self, ticket: str) -> Principal:
        """The principal that it was issued to. Raises CallboardError UNAUTHORIZED for one unknown or expired."""
        ...


class ListenerFigures(Protocol):
    """What the listener counts: totals since the start, but `open`, which is now."""

    @property
    def accepted(self) -> int: ...
    @property
    def open(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def accept_errors(self) -> int: ...
    @property
    def handshake_failures(self) -> int: ...
    @property
    def crashed(self) -> int: ...
    @property
    def bad_heads(self) -> Mapping[str, int]: ...


class Listener(Protocol):
    """The port, to be asked for its figures."""

    def statistics(self) -> ListenerFigures: ...


class HttpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about the HTTP side that a configuration may set."""

    version: str = "0"
    """Of the engine, for the documentation."""
    auth_required: bool = True
    body_bytes: int = 4 * 1024 * 1024
    body_seconds: float = 60.0
    """How long a request's body may take to arrive, all of it."""
    requests_per_second: float = 100.0
    requests_burst: float = 200.0
    """Of one user, on average and at once."""
    users: int = 10_000
    """Whose rates are remembered; beyond it the user who asked longest ago starts afresh."""
    cors_origins: tuple[str, ...] = ()
    """Pages of these origins may use the API, with credentials, beside those of the engine's own."""
    loopback_only: bool = False
    """Nobody needs a credential, and only this machine can connect: a `Host` must be one of its names."""
    event_streams: int = 10_000
    """Open at once over HTTP/2."""
    event_stream_bytes: int = 64 * 1024
    """What may wait unsent in one of them before it falls back to its cursor."""
    outbox: OutboxOptions = OutboxOptions()


class HttpServices(msgspec.Struct, frozen=True, kw_only=True):
    """The ports behind the HTTP side."""

    router: Router
    verifier: Verifier
    tickets: Tickets
    toolbox: Toolbox
    connections: Connections
    agent_roster: Roster
    """The clients of the agent dialect."""
    wallets: Wallets
    listener: Listener
    pipelines: Pipelines
    readiness: Callable[[], Readiness]
    store: Callable[[], JournalStatistics | None] = lambda: None
    """What is kept, and whether anything can be; None where nothing outlives the process."""
    steps: StepsDesk | None = None
    """Where the clients of the steps dialect are served; their posts then are, too."""
    reports: Callable[[], Mapping[str, int]] = dict
    """How many troubles of each kind the actors have reported."""
    options: HttpOptions = HttpOptions()
