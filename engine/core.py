"""The actors' side of the engine, put together from its configuration."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from actors.agent import Agent
from actors.agents import Agents
from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.connections import Connections, ConnectionsOptions
from actors.crowd import Crowd
from actors.dynamic_supervisor import DynamicSupervisor
from actors.feeds import Feeds, FeedsOptions
from actors.journal import JournalStatistics
from actors.lease import LeaseOptions
from actors.members import MEMBER, Members
from actors.model import Model
from actors.principal import Verifier
from actors.retention import Retention
from actors.rooms import RoomRule, Rooms, RoomsOptions
from actors.router import Router, RouterOptions
from actors.sessions import Sessions, SessionsOptions
from actors.snapshots import Snapshots, SnapshotsOptions
from actors.store import RetainedStore, StoreError
from actors.task_launcher import TaskLauncher
from actors.task_services import TaskServices
from actors.tasks import Tasks, TasksOptions
from actors.timers import Timers
from actors.tool import Toolbox
from actors.unreadable import UNREADABLE
from actors.uploads import UploadStore
from actors.used_nonces import NONCE, UsedNonces
from engine.config import Config
from engine.keeping import make_compactor, make_keeping, make_retainer, take_up
from engine.reporter import EngineReporter
from engine.upkeep import Upkeep
from transport.wallet_identity import NONCES

_MOST_TOPICS = 1_000_000
_ROOM = 10
"""A child that has ended is forgotten a moment after its directory has: some room keeps that from showing."""


class Extensions(msgspec.Struct, frozen=True):
    """What the core runs and calls, and does not know: agents, tools, models, credentials."""

    agents: Mapping[str, Agent]
    toolbox: Toolbox
    models: Mapping[str, Model]
    verifier: Verifier
    store: RetainedStore | None
    """Without one nothing outlives the process."""
    uploads: UploadStore
    upkeep: Upkeep | None = None
    """Of the store's file, where it has one."""


class Core:
    """Supervisors, directories and the router. Nothing runs yet."""

    def __init__(self, config: Config, extensions: Extensions) -> None:
        limits = config.limits
        self.toolbox = extensions.toolbox
        self.reporter = EngineReporter()
        self.channel_actors = self._supervisor("channels", _MOST_TOPICS, config)
        self.session_actors = self._supervisor("sessions", limits.sessions, config)
        self.task_actors = self._supervisor("tasks", limits.running_tasks, config)
        # Each connection, the writer that it has while it lags, and the worker while it waits for an answer.
        self.connection_actors = Crowd(
            "connections",
            reporter=self.reporter,
            max_children=3 * limits.connections + _ROOM,
            stop_seconds=config.timeouts.stop_seconds,
        )
        self._store = extensions.store
        self.uploads = extensions.uploads
        self.keeping = None if self._store is None else make_keeping(config, self._store, self.reporter)
        retention = _retention(config)
        topics = ChannelsOptions(mailbox=limits.mailbox, topics=limits.topics)
        self.channels = Channels(self.channel_actors, retention, topics, self.keeping)
        snapshots = Snapshots(self.channels, self._store, SnapshotsOptions(config.store.snapshots))
        self.retainer = make_retainer(self._store, self.keeping, self.channels, snapshots, retention)
        self.upkeep = extensions.upkeep
        self.feed_actors = self._supervisor("feeds", limits.feeds, config)
        feeds = FeedsOptions(limits.feeds, config.store.feed_seconds)
        self.feeds = Feeds(self.feed_actors, self.channels, feeds, self._store)
        groups = {one.uuid: one.members for one in config.pipelines.values() if one.members}
        self.members = Members(groups, self.channels.keeper)
        self.used_nonces = UsedNonces(NONCES, self.channels.keeper)
        self.agents = Agents(extensions.agents, limits.agents)
        options = SessionsOptions(limits.sessions, limits.session_messages, limits.mailbox, config.engine.default_agent)
        self.sessions = Sessions(self.session_actors, self.channels, options)
        self.timers = Timers()
        self.tasks = Tasks(
            self._task_services(config, extensions),
            self.agents,
            self.sessions,
            self.reporter,
            _tasks_options(config),
        )
        self.launcher = TaskLauncher(self.task_actors, self.channels, self.agents, self.sessions, self.tasks)
        bounds = RouterOptions(limits.idempotency_seconds, limits.idempotency_keys, limits.batch_tasks)
        self.rooms = Rooms(self.channels, _rooms_options(config))
        self.router = Router(
            self.channels, self.agents, self.sessions, self.tasks, self.launcher, self.rooms, bounds, snapshots
        )
        self.compactor = make_compactor(config, self.channels, self.feeds, snapshots, self.keeping)
        heartbeat = ConnectionsOptions(config.timeouts.heartbeat_seconds)
        self.connections = Connections(extensions.verifier, heartbeat)

    async def take_up(self) -> None:
        """What was kept is there again. Called before anything runs. Raises actors.store.StoreError."""
        if self._store is None:
            return
        try:
            await take_up(self._store, self.channels)
            self.members.load(await self._store.records(MEMBER))
            self.used_nonces.load(await self._store.records(NONCE))
            await self.router.take_up(self._store)
        except UNREADABLE as error:
            # Without it something that was acknowledged would be lost, and nobody told.
            raise StoreError(f"the store holds records of another version, or damaged ones: {error}") from error

    def store_statistics(self) -> JournalStatistics | None:
        """None where nothing outlives the process."""
        return None if self.keeping is None else self.keeping.journal.statistics()

    def _supervisor(self, name: str, most: int, config: Config) -> DynamicSupervisor:
        most += most // 10 + _ROOM
        deadline = config.timeouts.stop_seconds + 1
        return DynamicSupervisor(name, reporter=self.reporter, max_children=most, stop_deadline=deadline)

    def _task_services(self, config: Config, extensions: Extensions) -> TaskServices:
        timeouts = config.timeouts
        return TaskServices(
            self.channels,
            extensions.toolbox,
            extensions.models,
            self.timers,
            confirm_seconds=timeouts.confirm_seconds,
            cancel_seconds=timeouts.cancel_seconds,
            client_tool_seconds=timeouts.client_tool_seconds,
            client_tool_bytes=config.limits.client_tool_bytes,
        )


def _tasks_options(config: Config) -> TasksOptions:
    return TasksOptions(
        running=config.limits.running_tasks,
        ended=config.limits.finished_tasks,
        turns=config.limits.turns,
        stop_seconds=config.timeouts.stop_seconds,
        lease=LeaseOptions(lease_seconds=config.timeouts.lease_seconds),
    )


def _rooms_options(config: Config) -> RoomsOptions:
    rules = {name: RoomRule(room.join, room.talk) for name, room in config.rooms.items()}
    other = RoomRule(config.other_rooms.join, config.other_rooms.talk)
    return RoomsOptions(rules, other, config.agent.grace_seconds)


def _retention(config: Config) -> Mapping[str, Retention]:
    kinds = msgspec.structs.asdict(config.retention)
    return {kind: Retention(kept.events, kept.bytes, kept.seconds) for kind, kept in kinds.items()}
