"""One life of the engine: its actors under their supervisors, on a mount of the disk, with the sockets of a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from actors.agents import Agents
from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.childspec import Backoff, ChildSpec, Intensity, Strategy
from actors.connections import Connections
from actors.crowd import Crowd
from actors.dynamic_supervisor import DynamicSupervisor
from actors.event import ChannelKey, Event
from actors.feeds import FEED_CHANNEL, Feeds
from actors.journal import Journal, JournalOptions
from actors.journal_entries import Appended, Entry
from actors.kept_topics import Keeping
from actors.outbox import OutboxOptions
from actors.report import Report
from actors.retention import Retention
from actors.rooms import Rooms
from actors.router import Router
from actors.sessions import Sessions, SessionsOptions
from actors.spawner import Spawner
from actors.supervisor import Supervisor
from actors.task_launcher import TaskLauncher
from actors.task_services import TaskServices
from actors.tasks import Tasks
from actors.timers import Timers
from tests.simulation.device import Device
from tests.simulation.disk import Mount
from tests.simulation.doors import Doors
from tests.simulation.schedule import Shape
from tests.simulation.wire import Wire
from tests.support.credentials import NamesAreTickets
from tests.support.world import AllValid, EchoToolbox, Reports
from transport.client_services import ClientOptions, ClientServices
from transport.connection_edge import Serving
from transport.dialects.gateway_events import GatewayPayload, SseEncoder
from transport.dialects.gateway_replies import WebSocketEncoder
from transport.event_stream import ChunkedEncoder

_OFTEN = Intensity(restarts=1000, period=1.0)
_SOON = Backoff(first=0.01, most=0.1)
_MOST = 1000
_SWEEP_SECONDS = 5.0


class CrashingEncoder:
    """The gateway's, which crashes whoever uses it next when it is told to."""

    def __init__(self) -> None:
        self.crashes = 0
        self._frames = WebSocketEncoder(GatewayPayload())

    def encode(self, event: Event) -> bytes:
        if self.crashes:
            self.crashes -= 1
            raise RuntimeError("a crash of whoever encodes")
        return self._frames.encode(event)


class CrashingJournal(Journal):
    """Crashes the next feed that has something to say when it is told to."""

    crashes = 0

    def put_nowait(self, entry: Entry) -> None:
        if self.crashes and isinstance(entry, Appended) and entry.topic.log.key.channel == FEED_CHANNEL:
            self.crashes -= 1
            raise RuntimeError("a crash of a feed")
        super().put_nowait(entry)


class Reporter:
    """Crashes are what the schedule asks for: they are counted."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def report(self, report: Report, /) -> None:
        self.reports.append(report)


class Life:
    """An engine that has not run yet. `run` serves until it is cancelled or `stop` is called."""

    def __init__(self, mount: Mount, shape: Shape, kept: frozenset[str]) -> None:
        self.mount = mount
        self.encoder = CrashingEncoder()
        self.reporter = Reporter()
        self.ready = trio.Event()
        self.ended = trio.Event()
        self.scope = trio.CancelScope()
        self.is_keeping = False
        """Whether the journal's actor runs, and does not wait for its restart."""
        self.journal = CrashingJournal(mount, JournalOptions(waiting=shape.waiting, batch=shape.batch))
        self._channel_actors = self._dynamic("channels")
        self._session_actors = self._dynamic("sessions")
        self._feed_actors = self._dynamic("feeds")
        window = Retention(events=shape.window, seconds=float("inf"))
        keeping = Keeping(self.journal, mount, partial(_keeps, kept), window)
        options = ChannelsOptions(mailbox=shape.waiting, idle_seconds=1.0, in_place=shape.in_place)
        self.channels = Channels(self._channel_actors, {"app": window}, options, keeping)
        self._crowd = Crowd("connections", reporter=self.reporter, max_children=_MOST)
        self.router = self._make_router(self._channel_actors, self._session_actors)
        self._doors = Doors(self._make_services(), self.rooms)
        self._has_work = shape.listeners > 0
        self._rounds_crash = trio.Event()
        self._tree = self._make_tree()

    async def run(self) -> None:
        """Takes up what the disk has, and runs. Raises what ends the engine but its stop."""
        try:
            with self.scope:
                for stored in await self.mount.topics():
                    self.channels.take_up(stored)
                await self._tree.run()
        finally:
            self.ended.set()

    def audit(self, read: Callable[[], Awaitable[None]]) -> None:
        """An actor inside the engine."""

        async def run(task_status: trio.TaskStatus[None]) -> None:
            task_status.started()
            await read()

        self._session_actors.start_child_nowait(ChildSpec("auditor", run))

    def stop(self) -> None:
        self._tree.stop()

    def crash_rounds(self) -> None:
        self._rounds_crash.set()

    def serve(self, device: Device, wire: Wire) -> None:
        """Raises CannotSpawn where the engine takes nobody."""
        self._crowd.start_nowait("client", partial(_serve, self._doors.open(device, wire), wire))

    def _dynamic(self, name: str) -> DynamicSupervisor:
        return DynamicSupervisor(name, reporter=self.reporter, max_children=_MOST, intensity=_OFTEN, backoff=_SOON)

    def _make_router(self, tasks_under: Spawner, sessions_under: Spawner) -> Router:
        agents = Agents({})
        self._feeds = Feeds(self._feed_actors, self.channels, store=self.mount)
        self.rooms = Rooms(self.channels)
        sessions = Sessions(sessions_under, self.channels, SessionsOptions())
        services = TaskServices(
            self.channels, EchoToolbox(), {}, Timers(), 60.0, 5.0, client_tool_seconds=60.0, client_tool_bytes=65_536
        )
        tasks = Tasks(services, agents, sessions, Reports())
        launcher = TaskLauncher(tasks_under, self.channels, agents, sessions, tasks)
        return Router(self.channels, agents, sessions, tasks, launcher, self.rooms)

    def _make_services(self) -> ClientServices:
        spawn = partial(self._crowd.start_nowait, "writer")
        return ClientServices(
            router=self.router,
            connections=Connections(AllValid()),
            feeds=self._feeds,
            verifier=AllValid(),
            tickets=NamesAreTickets(),
            gateway_frames=self.encoder,
            gateway_blocks=ChunkedEncoder(SseEncoder(GatewayPayload())),
            spawn_writer=spawn,
            spawn_worker=spawn,
            options=ClientOptions(auth_required=False, outbox=OutboxOptions(batch_bytes=300, stall_seconds=20.0)),
        )

    def _make_tree(self) -> Supervisor:
        children = [
            self._session_actors.as_child(),
            ChildSpec("store", self._keep, stop_deadline=10.0),
            self._channel_actors.as_child(),
            self._feed_actors.as_child(),
            self._crowd.as_child(),
            ChildSpec("rounds", self._rounds),
        ]
        return Supervisor(
            "engine",
            children,
            reporter=self.reporter,
            strategy=Strategy.REST_FOR_ONE,
            intensity=_OFTEN,
            backoff=_SOON,
        )

    async def _keep(self, task_status: trio.TaskStatus[None]) -> None:
        self.is_keeping = True
        try:
            await self.journal.run(task_status)
        finally:
            self.is_keeping = False

    async def _rounds(self, task_status: trio.TaskStatus[None]) -> None:
        self._rounds_crash = trio.Event()
        self.channels.revive()
        self._feeds.revive()
        if self._has_work:
            self._doors.open_steps()
        task_status.started()
        self.ready.set()
        while not self._rounds_crash.is_set():
            with trio.move_on_after(_SWEEP_SECONDS):
                await self._rounds_crash.wait()
            await self.channels.sweep.run()
        raise RuntimeError("a crash of the rounds")


async def _serve(serve: Serving, wire: Wire) -> None:
    try:
        await serve()
    finally:
        wire.end()


def _keeps(kept: frozenset[str], key: ChannelKey) -> bool:
    return key.topic in kept
