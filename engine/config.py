"""What can be configured: every key, its type, its unit and its default.

`engine.config_load.load_config` fills these; nothing here reads a file or the environment. Fields that end in
`_seconds` or `seconds` are seconds, `_bytes` or `bytes` are bytes, all other numbers are counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from engine.config_dialects import Agent, Listeners, Pipeline, Room, Steps, Wallet
from engine.config_section import Bytes, Count, CountOrNone, Origin, Seconds, Section, Text
from engine.secret import Secret
from transport.loopback import is_loopback

MEMORY = ":memory:"
BUILT_IN_AGENTS = ("offline", "openai")
"""Names that no other agent may take. `openai` is there only where a model is configured."""


class Server(Section, frozen=True, kw_only=True):
    """Where the one port is, and how it ends."""

    host: Text = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 18080
    """0 lets the system choose."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    drain_seconds: Seconds = 10
    """How long running tasks may go on after SIGTERM."""
    public_without_auth: bool = False
    """Allows `auth.required = false` on an address that others can reach."""
    io_uring: bool = True
    """Events go to large audiences by Linux's io_uring, where the system has it and allows it: one system call for
    hundreds of clients. Without, each client costs one."""
    cors_origins: tuple[Origin, ...] = ()
    """Pages of these origins may use the engine from a browser, with credentials, beside its own pages."""


class Jwt(Section, frozen=True, kw_only=True):
    """How JSON Web Tokens are checked. Once loaded, the key is in `secret` or `public_key`, whichever way it came."""

    algorithm: Literal["HS256", "RS256", "EdDSA"]
    secret: Secret | None = None
    secret_file: Path | None = None
    public_key: Text | None = None
    """PEM."""
    public_key_file: Path | None = None
    issuer: Text | None = None
    audience: Text | None = None
    user_claim: Text = "sub"
    scopes_claim: Text = "scopes"
    leeway_seconds: Annotated[float, msgspec.Meta(ge=0, le=300)] = 0
    """How far the issuer's clock may be off."""


class Auth(Section, frozen=True, kw_only=True):
    """Who is let in. API keys are always accepted, tokens where `jwt` is given."""

    required: bool | None = None
    """Unset: not on loopback, yes anywhere else. Read `Config.auth_required`."""
    jwt: Jwt | None = None


class Store(Section, frozen=True, kw_only=True):
    path: Path = Path("callboard.db")
    """The SQLite file that holds everything that outlives the process; `:memory:` for nothing at all."""
    waiting: Count = 1_024
    """What may wait to be kept; beyond it those who publish wait."""
    gather_seconds: Annotated[float, msgspec.Meta(ge=0, le=0.1)] = 0.005
    """While many topics are at work, the least time between two commits that nobody waits for: each has a price of its
    own, which more events then share. 0 commits back to back."""
    window_events: Count = 1_000
    """Of each topic so many of the newest events stay in memory. Who is further behind reads the file."""
    window_bytes: Bytes = 1 << 20
    window_seconds: Seconds = 3_600.0
    """What is older leaves the memory, too."""
    max_bytes: Annotated[int, msgspec.Meta(ge=1 << 20, le=1 << 50)] | None = None
    """How large the file may grow, beside its write-ahead log. At that size nothing new is kept, and clients are
    refused with UNAVAILABLE, until the retention has made room. Files that clients bring get at most half of it. Unset:
    as large as the disk lets it."""
    compact_seconds: Seconds = 3_600.0
    """So long after its end a task keeps of its events only the discrete ones, and its snapshot."""
    feed_seconds: Seconds = 2_592_000.0
    """A user's feed that nobody has used for so long is forgotten, with what it was to tell. A room's goes with its
    conversation."""
    snapshots: Count = 256
    """Topics whose snapshot is kept up to date in memory."""

    @property
    def in_memory(self) -> bool:
        return str(self.path) == MEMORY


class Engine(Section, frozen=True, kw_only=True):
    """The agents beside the built-in ones, each `module:function` and named after its function."""

    agents: tuple[str, ...] = ()
    default_agent: Text = "offline"


class Limits(Section, frozen=True, kw_only=True):
    """How much of everything. What goes beyond is refused with an error that names the limit."""

    connections: Count = 10_000
    running_tasks: Count = 1_000
    finished_tasks: Count = 10_000
    """How many ended tasks are kept; beyond it the oldest are forgotten."""
    sessions: Count = 10_000
    feeds: Count = 10_000
    """Topics derived from others: a room's messages, all that one user sees in some dialects."""
    session_messages: Count = 1_000
    """How many messages of one conversation are kept."""
    topics: Count = 100_000
    """Topics that are kept, beside those of tasks, conversations and agents, which go with these; beyond it the ones
    unused for longest are forgotten, with their events."""
    turns: Count = 100
    """Appended turns that may wait in one task."""
    batch_tasks: Count = 1_000
    """Tasks in one batch."""
    agents: Count = 1_000
    """Registered agents that run elsewhere."""
    subscriptions: Count = 1_000
    """Topics of one connection."""
    head_bytes: Bytes = 64 << 10
    """One request's line and headers."""
    body_bytes: Bytes = 4 << 20
    """One request's body."""
    upload_bytes: Bytes = 4 << 20
    """One file for a chat message. Over HTTP `body_bytes` bounds it too."""
    user_uploads_bytes: Bytes = 64 << 20
    """All files of one user or group; beyond it the oldest are forgotten."""
    uploads_bytes: Bytes = 512 << 20
    """All files; beyond it the oldest are forgotten."""
    message_bytes: Bytes = 1 << 20
    """One frame from a client."""
    client_tool_bytes: Bytes = 256 << 10
    """The arguments of a tool call that a client carries out, and its result."""
    outbox_bytes: Bytes = 256 << 10
    """Replies that may wait unsent for one connection; beyond it its next command waits. Events wait in their logs."""
    send_buffer_bytes: Bytes = 128 << 10
    """SO_SNDBUF of one connection."""
    mailbox: Count = 1_024
    """Messages that may wait for one actor."""
    commands_per_second: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 100
    """Of one WebSocket, on average."""
    commands_burst: Count = 200
    """Of one WebSocket, at once."""
    requests_per_second: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 1_000
    """Of one user over HTTP, on average. Without credentials all are one user."""
    requests_burst: Count = 2_000
    """Of one user over HTTP, at once."""
    idempotency_seconds: Seconds = 300
    idempotency_keys: Count = 100_000
    tickets: Count = 10_000
    """Tickets for event streams that are valid at the same time."""


class Retention(Section, frozen=True, kw_only=True):
    """What is kept of one topic: on the disk where the topic outlives the process, else in memory. Whichever bound is
    reached first discards the oldest events, some seconds later."""

    events: Count = 10_000
    bytes: Bytes = 8 << 20
    seconds: Seconds = 86_400


class Retentions(Section, frozen=True, kw_only=True):
    """The retention of each kind of channel."""

    task: Retention = Retention()
    session: Retention = Retention(events=20_000, bytes=16 << 20, seconds=7 * 86_400)
    system: Retention = Retention(events=1_000, bytes=1 << 20, seconds=3_600)
    agent: Retention = Retention(events=1_000, bytes=4 << 20, seconds=86_400)
    app: Retention = Retention()
    room: Retention = Retention()


class Timeouts(Section, frozen=True, kw_only=True):
    """How long is waited for whom."""

    handshake_seconds: Seconds = 10
    """TLS and the request head of a new connection."""
    idle_seconds: Seconds = 75
    """A keep-alive connection between two requests."""
    body_seconds: Seconds = 60
    """All of an HTTP request's body."""
    auth_seconds: Seconds = 10
    """A socket's first successful `auth`."""
    heartbeat_seconds: Seconds = 30
    """Between two signs of life to a silent client; two unanswered close the connection."""
    write_seconds: Seconds = 30
    """A client that takes no byte, before its connection is aborted."""
    stop_seconds: Seconds = 10
    """A supervised child's stop."""
    cancel_seconds: Seconds = 10
    """An agent that was told to stop, before it is reported."""
    confirm_seconds: Seconds = 300
    """A person's answer to a confirmation."""
    client_tool_seconds: Seconds = 60
    """The result of a tool call that a client carries out."""
    lease_seconds: Seconds = 60
    """A claimed task of an agent elsewhere, between two posts."""
    presence_seconds: Seconds = 10
    """How long a user who has lost its last connection to a chat room is still there."""
    recall_seconds: Seconds = 120
    """How long an author may recall a chat message."""
    ticket_seconds: Seconds = 60
    """The life of a ticket for an event stream."""


class ModelEndpoint(Section, frozen=True, kw_only=True):
    """An OpenAI-compatible endpoint. Once loaded, the key is in `api_key`, whichever way it came."""

    base_url: Text
    """With http:// or https://, up to and without `/chat/completions`."""
    model: Text
    api_key: Secret | None = None
    api_key_env: Text | None = None
    """The environment variable that holds the key."""
    connect_seconds: Seconds = 10
    read_seconds: Seconds = 60
    """Before the first piece of a stream, and between two."""
    total_seconds: Seconds = 600
    """One call with all its retries."""
    system_prompt: str = ""
    """What the built-in agent tells the model about itself."""
    retries: CountOrNone = 2
    """Further attempts, before the first token only."""
    tool_rounds: Count = 10
    """Rounds of tool calls in one turn."""


class Logging(Section, frozen=True, kw_only=True):
    """`auto` is readable on a terminal and JSON lines otherwise. A file always gets JSON lines."""

    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
    file: Path | None = None
    to_file: bool = False
    """Also without a `file`: then it is `logs/agent-engine.log` in the working directory."""


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration."""

    server: Server = Server()
    listeners: Listeners = Listeners()
    auth: Auth = Auth()
    steps: Steps = Steps()
    wallet: Wallet = Wallet()
    store: Store = Store()
    engine: Engine = Engine()
    limits: Limits = Limits()
    retention: Retentions = Retentions()
    timeouts: Timeouts = Timeouts()
    models: Mapping[str, ModelEndpoint] = msgspec.field(default_factory=dict)
    pipelines: Mapping[str, Pipeline] = msgspec.field(default_factory=dict)
    logging: Logging = Logging()
    agent: Agent = Agent()
    rooms: Mapping[str, Room] = msgspec.field(default_factory=dict)
    other_rooms: Room = Room()
    """The rooms that `rooms` does not name."""

    @property
    def agent_names(self) -> tuple[str, ...]:
        """The agents of this process."""
        built_in = BUILT_IN_AGENTS if self.models else ("offline",)
        return (*built_in, *map(agent_name, self.engine.agents))

    @property
    def auth_required(self) -> bool:
        """Whether a client must show a credential: as configured, else only where others can reach the port."""
        if self.auth.required is None:
            return not is_loopback(self.server.host)
        return self.auth.required

    @property
    def wallet_signature_required(self) -> bool:
        """Whether a wallet must prove that its key is its own: as configured, else where credentials are required."""
        required = self.wallet.require_signature
        return self.auth_required if required is None else required


def agent_name(reference: str) -> str:
    """The name under which `module:function` is known."""
    return reference.rpartition(":")[2]
