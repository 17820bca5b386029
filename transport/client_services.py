"""What those who serve clients need of the engine, whatever the dialect."""

from __future__ import annotations

import msgspec

from actors.connections import Connections
from actors.feeds import Feeds
from actors.outbox import OutboxOptions
from actors.principal import Verifier
from actors.router import Router
from actors.spawner import SpawnTask
from actors.subscription import Encoder
from transport.credentials import TicketRedeemer


class ClientOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds. `auth_seconds`: a socket that has not authenticated by then is closed. `close_seconds`: how
    long a closing handshake may take."""

    auth_required: bool
    auth_seconds: float = 10.0
    close_seconds: float = 3.0
    message_bytes: int = 1024 * 1024
    commands_per_second: float = 100.0
    commands_burst: float = 200.0
    subscriptions: int = 1000
    cors_origins: tuple[str, ...] = ()
    """Pages of these origins may connect, beside those of the engine's own."""
    loopback_only: bool = False
    """Nobody needs a credential, and only this machine can connect: a `Host` must be one of its names."""
    outbox: OutboxOptions = OutboxOptions()


class ClientServices(msgspec.Struct, frozen=True, kw_only=True):
    """`gateway_frames` and `gateway_blocks` encode the gateway's events for WebSockets and for event streams.

    One encoder of each framing serves all connections, so that an event is encoded once for all of them.
    """

    router: Router
    connections: Connections
    feeds: Feeds
    verifier: Verifier
    tickets: TicketRedeemer
    gateway_frames: Encoder
    gateway_blocks: Encoder
    spawn_writer: SpawnTask
    """Where the writers of outboxes run: beside their connections, so that one without a writer costs no nursery."""
    spawn_worker: SpawnTask
    """Where that of a client's requests runs which its next ones do not wait for. Beside its connection as well."""
    options: ClientOptions
