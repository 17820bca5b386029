"""The transport's side of the engine, put together from its configuration and the core."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

from actors.broadcast import Broadcast
from actors.errors import CloseCode
from actors.outbox import OutboxOptions
from actors.principal import Verifier
from engine.config import Config
from engine.core import Core
from engine.tickets import TicketOffice
from engine.verify_client import load_verify_client
from transport.agent_conversation import AgentDoor, AgentServices
from transport.agent_work import WorkOptions
from transport.client_services import ClientOptions, ClientServices
from transport.connection_edge import ConnectionEdge
from transport.dialects.gateway_events import GatewayPayload, SseEncoder
from transport.dialects.gateway_replies import WebSocketEncoder
from transport.dialects.pipeline_projection import RoomOptions
from transport.door import Door
from transport.drain import Drain
from transport.event_stream import ChunkedEncoder, EventStreamDoor
from transport.gateway_conversation import GatewayDoor
from transport.handlers import ClientHandlers
from transport.http.app import create_app
from transport.http.origins import Origins
from transport.http.services import HttpOptions, HttpServices, Readiness
from transport.hypercorn_adapter import HypercornHTTP
from transport.listener import Listener, Lounge
from transport.listener_options import Bind, ListenerOptions
from transport.listener_statistics import Tally
from transport.loopback import is_loopback
from transport.pipeline_door import PipelineDoor
from transport.pipeline_groups import KnownPipeline
from transport.pipelines import Pipelines, PipelinesOptions
from transport.poller import Poller
from transport.realtime_agent import RealtimeAgent, RealtimeOptions
from transport.roster import Roster
from transport.send_ring import open_send_ring
from transport.steps_conversation import StepsDoor
from transport.steps_desk import StepsDesk
from transport.steps_stream import StepsStreamDoor
from transport.wallet_conversation import WalletDoor
from transport.wallet_identity import WalletIdentity
from transport.wallets import Wallets

_CROWDS = 2
"""In how many large audiences a client can be, on average, and be written to together with the others."""


class Front:
    """The one port and all that answers on it. Nothing runs yet."""

    def __init__(self, config: Config, core: Core, verifier: Verifier, tickets: TicketOffice) -> None:
        self._core = core
        self._readiness = Readiness.STARTING
        self._drain = Drain()
        self._agent = _agent_services(config, core)
        options = _listener_options(config)
        payload = GatewayPayload()
        services = ClientServices(
            router=core.router,
            connections=core.connections,
            feeds=core.feeds,
            verifier=verifier,
            tickets=tickets,
            gateway_frames=WebSocketEncoder(payload),
            gateway_blocks=ChunkedEncoder(SseEncoder(payload)),
            spawn_writer=partial(core.connection_actors.start_nowait, "writer"),
            spawn_worker=partial(core.connection_actors.start_nowait, "worker"),
            options=_client_options(config),
        )
        identity = WalletIdentity(require_signature=config.wallet_signature_required, used=core.used_nonces)
        self._wallets = Wallets(core.router, core.feeds, identity, config.timeouts.heartbeat_seconds)
        self.pipelines = Pipelines(core.router, core.feeds, core.uploads, _pipelines_options(config), core.members)
        tally = Tally()
        self.poller = Poller()
        self.listener = Listener(
            options,
            lambda stream: self._edge.serve(stream),
            core.connection_actors.start_nowait,
            tally,
            lounge=Lounge(self.poller, lambda stream, berth: self._edge.welcome(stream, berth)),
            broadcast=_broadcast(config),
        )
        self._steps = _steps_desk(config, core, services)
        app = create_app(self._http_services(config, services, tickets))
        self.http = HypercornHTTP(app, options, self._drain)
        self._edge = ConnectionEdge(options, self._handlers(services), self.http, self._drain, tally)

    def _handlers(self, services: ClientServices) -> ClientHandlers:
        options = services.options
        origins = Origins(options.cors_origins, loopback_only=options.loopback_only)
        sockets: list[Door] = [
            GatewayDoor(services),
            AgentDoor(services, self._agent),
            StepsDoor(self._steps),
            WalletDoor(services, self._wallets),
            PipelineDoor(services, self.pipelines),
        ]
        streams: list[Door] = [EventStreamDoor(services, origins), StepsStreamDoor(self._steps, origins)]
        return ClientHandlers(options, origins, sockets, streams)

    def realtime_agent(self, user_id: str) -> RealtimeAgent:
        """Raises CallboardError BUSY."""
        return self._steps.agents.of(user_id)

    def say_ready(self) -> None:
        """Everything runs: `/readyz` says so from now on."""
        self._readiness = Readiness.READY

    async def drain(self) -> None:
        """Takes no more connections and no more tasks, and tells every client that has one to come back later."""
        self._readiness = Readiness.DRAINING
        self._core.launcher.stop_admitting()
        self.listener.stop_accepting()
        await self.http.drain()
        self._core.connections.close_all(CloseCode.RESTARTING, "the server restarts")

    def _http_services(self, config: Config, services: ClientServices, tickets: TicketOffice) -> HttpServices:
        return HttpServices(
            router=services.router,
            verifier=services.verifier,
            tickets=tickets,
            toolbox=self._core.toolbox,
            connections=services.connections,
            agent_roster=self._agent.roster,
            wallets=self._wallets,
            listener=self.listener,
            steps=self._steps,
            pipelines=self.pipelines,
            readiness=lambda: self._readiness,
            store=self._core.store_statistics,
            reports=self._core.reporter.statistics,
            options=_http_options(config),
        )


def _agent_services(config: Config, core: Core) -> AgentServices:
    agent = config.agent
    return AgentServices(
        toolbox=core.toolbox,
        roster=Roster(agent.max_connections),
        rooms=core.rooms,
        beat_seconds=agent.heartbeat_seconds,
        work=WorkOptions(agent.waiting_requests, agent.grace_seconds),
    )


def _steps_desk(config: Config, core: Core, services: ClientServices) -> StepsDesk:
    chosen = config.steps
    options = RealtimeOptions(config.engine.default_agent, chosen.broadcast_interval_ms / 1000, chosen.buffer_size)
    verify_client = None if chosen.verify_client is None else load_verify_client(chosen.verify_client)
    return StepsDesk(services, core.toolbox, options, verify_client)


def _broadcast(config: Config) -> Broadcast | None:
    # Under TLS each client's bytes are its own.
    if not config.server.io_uring or config.server.tls_cert is not None:
        return None
    return open_send_ring(_CROWDS * config.limits.connections)


def _listener_options(config: Config) -> ListenerOptions:
    server, limits, timeouts = config.server, config.limits, config.timeouts
    return ListenerOptions(
        binds=tuple(Bind(server.host, port) for port in (server.port, *config.listeners.ports)),
        max_connections=limits.connections,
        tls_certificate=server.tls_cert,
        tls_key=server.tls_key,
        handshake_seconds=timeouts.handshake_seconds,
        send_buffer_bytes=limits.send_buffer_bytes,
        head_bytes=limits.head_bytes,
        head_seconds=timeouts.handshake_seconds,
        keep_alive_seconds=timeouts.idle_seconds,
        body_bytes=limits.body_bytes,
        write_seconds=timeouts.write_seconds,
    )


def _http_options(config: Config) -> HttpOptions:
    limits = config.limits
    return HttpOptions(
        version=version("callboard"),
        auth_required=config.auth_required,
        body_bytes=limits.body_bytes,
        body_seconds=config.timeouts.body_seconds,
        requests_per_second=limits.requests_per_second,
        requests_burst=limits.requests_burst,
        cors_origins=config.server.cors_origins,
        loopback_only=_loopback_only(config),
        event_streams=limits.connections,
        outbox=_outbox_options(config),
    )


def _client_options(config: Config) -> ClientOptions:
    limits, timeouts = config.limits, config.timeouts
    return ClientOptions(
        auth_required=config.auth_required,
        auth_seconds=timeouts.auth_seconds,
        message_bytes=limits.message_bytes,
        commands_per_second=limits.commands_per_second,
        commands_burst=limits.commands_burst,
        subscriptions=limits.subscriptions,
        cors_origins=config.server.cors_origins,
        loopback_only=_loopback_only(config),
        outbox=_outbox_options(config),
    )


def _pipelines_options(config: Config) -> PipelinesOptions:
    return PipelinesOptions(
        auth_required=config.auth_required,
        known=tuple(
            KnownPipeline(uuid=one.uuid, agent=one.agent, members=one.members, moderators=one.moderators)
            for one in config.pipelines.values()
        ),
        room=RoomOptions(config.limits.session_messages),
        recall_seconds=config.timeouts.recall_seconds,
        presence_seconds=config.timeouts.presence_seconds,
    )


def _outbox_options(config: Config) -> OutboxOptions:
    return OutboxOptions(replies_bytes=config.limits.outbox_bytes, stall_seconds=config.timeouts.write_seconds)


def _loopback_only(config: Config) -> bool:
    return not config.auth_required and is_loopback(config.server.host)
