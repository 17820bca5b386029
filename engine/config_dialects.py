"""What can be configured of the dialects: their ports, limits and rules."""

from __future__ import annotations

from typing import Annotated

import msgspec

from engine.config_section import Count, Port, Seconds, Section, Text


class Listeners(Section, frozen=True, kw_only=True):
    """Further ports on `server.host`, each off unless given. Everything is served on each of them: they are there so
    that clients with a dialect's usual port in their address need no change."""

    agent: Port | None = None
    """Usually 8003."""
    steps: Port | None = None
    """Usually 8080."""
    pipeline: Port | None = None
    """Usually 8000."""
    wallet: Port | None = None
    """Usually 12000."""

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(port for port in (self.agent, self.steps, self.pipeline, self.wallet) if port is not None)


class Agent(Section, frozen=True, kw_only=True):
    """The clients at `/ws/agent`."""

    max_connections: Count = 1_000
    """At once. Also `WS_MAX_CONNECTIONS`."""
    heartbeat_seconds: Seconds = 30
    """Between two WebSocket pings; two unanswered close the connection. Also `WS_HEARTBEAT_INTERVAL`."""
    waiting_requests: Count = 32
    """Queries and tool calls of one connection behind the running one; one more is refused."""
    grace_seconds: Seconds = 10
    """How long a query whose client is gone goes on, where nobody else follows it; how long a room's member is there
    without a connection."""


class Room(Section, frozen=True, kw_only=True):
    """Who may join a room, and who may talk in it: user ids, `*` for everybody. Admins may."""

    join: tuple[Text, ...] = ("*",)
    talk: tuple[Text, ...] = ("*",)


class Steps(Section, frozen=True, kw_only=True):
    """What the clients of the steps dialect get (`/ws`, `/sse`)."""

    broadcast_interval_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 100
    """Milliseconds between two messages about the progress of one step."""
    buffer_size: Count = 100
    """Messages of one user that are kept for clients that come back."""
    verify_client: Text | None = None
    """`module:function`. Told of a client's request (`header`, `query`, `path`), it returns a user's id, True or False.
    Unset: clients show the engine's own credentials."""


class Pipeline(Section, frozen=True, kw_only=True):
    """A pipeline that clients can talk to. Where none is configured, every uuid is one."""

    uuid: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:@~-]{1,200}$")]
    agent: str = ""
    """Answers; empty for `engine.default_agent`."""
    members: tuple[Text, ...] = ()
    """Users who are in its group from the start; empty for everybody."""
    moderators: tuple[Text, ...] = ()
    """Users who may recall what others say, and add and remove members."""


class Wallet(Section, frozen=True, kw_only=True):
    """The wallet dialect, `/api/ws`."""

    require_signature: bool | None = None
    """A public key alone proves nothing. Unset: not on loopback, where no credential is required, and on where one is
    (`auth.required`, as in production). Read `Config.wallet_signature_required`."""
