"""The whole core in memory: real actors under a plain nursery, sockets that only remember."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import trio

from actors.agent import Agent
from actors.agents import Agents
from actors.broadcast import Broadcast
from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.childspec import ChildSpec
from actors.commands import Start
from actors.connection import Connection
from actors.connections import Connections
from actors.errors import CloseCode
from actors.event import Event, Json
from actors.feeds import Feeds
from actors.journal import Journal, JournalOptions
from actors.kept_topics import Keeping
from actors.outbox import Outbox, OutboxOptions
from actors.principal import Principal, Scope, Verifier
from actors.retention import Retention
from actors.rooms import Rooms, RoomsOptions
from actors.router import Router
from actors.sessions import Sessions, SessionsOptions
from actors.sink import BrokenSink
from actors.store import Store
from actors.task_launcher import TaskLauncher
from actors.task_reports import TaskReport
from actors.task_services import TaskServices
from actors.tasks import Tasks, TasksOptions
from actors.timers import Timers
from actors.tool import ToolError, ToolSpec
from engine.keeping import is_kept

ALICE = Principal("alice")
BOB = Principal("bob")
ADMIN = Principal("root", frozenset({Scope.ADMIN}))
PUBLISHER = Principal("paul", frozenset({Scope.PUBLISH}))
OPERATOR = Principal("olga", frozenset({Scope.AGENT}))


class NurserySpawner:
    """Starts children in a nursery; it restarts nothing."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    def start_child_nowait(self, spec: ChildSpec) -> None:
        self._nursery.start_soon(self._run, spec, name=spec.name)

    async def _run(self, spec: ChildSpec) -> None:
        await spec.run(trio.TASK_STATUS_IGNORED)


class Lines:
    """An encoder for people: one JSON line an event."""

    def encode(self, event: Event) -> bytes:
        return b"%d-%d %b %b\n" % (event.first, event.offset, event.event_type.encode(), event.body)


class MemorySink:
    """A socket whose buffer holds `room` bytes until `let_through` makes more."""

    def __init__(self, room: int | None = None, *, direct: bool = True) -> None:
        self.direct = direct
        self.broadcast: Broadcast | None = None
        self.fileno = -1
        self.written = bytearray()
        self.writes = 0
        self.aborted = False
        self._room = room
        self._more = trio.Event()

    def write_nowait(self, data: bytes | memoryview) -> int:
        if self.aborted:
            raise BrokenSink
        if not self.direct:
            return 0
        taken = len(data) if self._room is None else min(self._room, len(data))
        self.written += data[:taken]
        self.writes += 1
        if self._room is not None:
            self._room -= taken
        return taken

    async def write_all(self, data: bytes | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while len(rest):
            if self.aborted:
                raise BrokenSink
            if self._room == 0:
                await self._more.wait()
                continue
            taken = len(rest) if self._room is None else min(self._room, len(rest))
            self.written += rest[:taken]
            self.writes += 1
            rest = rest[taken:]
            if self._room is not None:
                self._room -= taken

    def close_up(self) -> None:
        """The peer reads nothing until `let_through`."""
        self._room = 0

    def let_through(self, room: int | None) -> None:
        """The peer reads: `room` more bytes fit, None for any number from now on."""
        self._room = None if room is None or self._room is None else self._room + room
        self._more.set()
        self._more = trio.Event()

    def abort(self) -> None:
        self.aborted = True
        self._more.set()

    @property
    def lines(self) -> list[str]:
        """What ends with a newline alone: a text may hold other characters that end a line for Python."""
        return self.written.decode().split("\n")[:-1]


class Reports:
    def __init__(self) -> None:
        self.seen: list[TaskReport] = []

    def report_task(self, report: TaskReport) -> None:
        self.seen.append(report)


class EchoToolbox:
    """One tool that returns its arguments, and one that fails."""

    def specs(self) -> tuple[ToolSpec, ...]:
        return (ToolSpec("echo", "Returns its arguments.", {"type": "object"}),)

    async def call(self, name: str, arguments: Json) -> Json:
        await trio.lowlevel.checkpoint()
        if name != "echo":
            raise ToolError(f"Tool not found: {name}")
        return arguments


class AllValid:
    async def verify(self, token: str) -> Principal:
        await trio.lowlevel.checkpoint()
        return Principal(token)

    def recall(self, token: str) -> Principal | None:
        return None

    def is_valid(self, principal: Principal) -> bool:
        return True


class Limits(msgspec.Struct, frozen=True):
    """The settings of a world that tests change."""

    channels: ChannelsOptions = ChannelsOptions()
    tasks: TasksOptions = TasksOptions()
    sessions: SessionsOptions = SessionsOptions(default_agent="echo")
    retention: dict[str, Retention] = {}
    window: Retention = Retention()
    journal: JournalOptions = JournalOptions(gather_seconds=0)
    """All that was said is kept once every task is blocked."""
    outbox: OutboxOptions = OutboxOptions()
    rooms: RoomsOptions = RoomsOptions()
    confirm_seconds: float = 60.0
    client_tool_seconds: float = 30.0
    client_tool_bytes: int = 1_000
    cancel_seconds: float = 5.0


class World:
    """The core with the given agents. Lives as long as the nursery."""

    def __init__(
        self,
        nursery: trio.Nursery,
        agents: Mapping[str, Agent],
        limits: Limits | None = None,
        tasks_nursery: trio.Nursery | None = None,
        verifier: Verifier | None = None,
        store: Store | None = None,
    ) -> None:
        """With a `store`, `take_up` is called before anything else is."""
        self.limits = limits or Limits()
        self.nursery = nursery
        self.reports = Reports()
        self.encoder = Lines()
        spawner = NurserySpawner(nursery)
        self.store = store
        journal = None if store is None else Journal(store, self.limits.journal)
        keeping = None if store is None or journal is None else Keeping(journal, store, is_kept, self.limits.window)
        self.channels = Channels(spawner, self.limits.retention, self.limits.channels, keeping)
        self.keeping = keeping
        self.feeds = Feeds(spawner, self.channels)
        self.rooms = Rooms(self.channels, self.limits.rooms)
        self.agents = Agents(agents)
        self.sessions = Sessions(spawner, self.channels, self.limits.sessions)
        self.timers = Timers()
        """Not run: each sleeper has a timer of trio's own, until a test runs it."""
        services = TaskServices(
            self.channels,
            EchoToolbox(),
            {},
            self.timers,
            confirm_seconds=self.limits.confirm_seconds,
            cancel_seconds=self.limits.cancel_seconds,
            client_tool_seconds=self.limits.client_tool_seconds,
            client_tool_bytes=self.limits.client_tool_bytes,
        )
        runs = NurserySpawner(tasks_nursery or nursery)
        self.tasks = Tasks(services, self.agents, self.sessions, self.reports, self.limits.tasks)
        self.launcher = TaskLauncher(runs, self.channels, self.agents, self.sessions, self.tasks)
        self.router = Router(self.channels, self.agents, self.sessions, self.tasks, self.launcher, self.rooms)
        self.connections = Connections(verifier or AllValid())

    async def take_up(self) -> None:
        """What the store holds is there again, and runs."""
        assert self.store is not None
        assert self.keeping is not None
        for topic in await self.store.topics():
            self.channels.take_up(topic)
        await self.router.take_up(self.store)
        await self.nursery.start(self.keeping.journal.run)
        self.sessions.revive()
        self.launcher.revive()

    def connect(self, principal: Principal | None, sink: MemorySink | None = None) -> tuple[Connection, MemorySink]:
        """A connection over a sink that takes everything, if none is given."""
        sink = sink or MemorySink()
        outbox = Outbox(sink, self.nursery.start_soon, self.limits.outbox)
        closes: list[tuple[CloseCode, str]] = []
        connection = Connection(
            self.router, outbox, self.encoder, lambda code, why: closes.append((code, why)), max_subscriptions=100
        )
        connection.principal = principal
        return connection, sink

    def watch(self, connection: Connection, channel: str, *topics: str, start: Start = "oldest") -> None:
        """Subscribes to topics, from their beginning if no other start is given, or to the whole channel."""
        admissions = connection.admit(channel, dict.fromkeys(topics, start), everything=not topics)
        assert connection.enter(channel, admissions, everything=not topics) is None, "there are few topics"
