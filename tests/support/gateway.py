"""The gateway on a real port of this machine, over the core in memory, and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing
from trio_websocket import wrap_client_stream

from actors.uploads import MemoryUploads
from tests.support.credentials import NamesAreKeys, NamesAreTickets
from tests.support.gateway_client import Client
from tests.support.world import EchoToolbox, Limits, World
from transport.agent_conversation import AgentDoor, AgentServices
from transport.byte_stream import ByteStream
from transport.client_services import ClientOptions, ClientServices
from transport.connection_edge import ConnectionEdge
from transport.dialects.gateway_events import GatewayPayload, SseEncoder
from transport.dialects.gateway_replies import WebSocketEncoder
from transport.door import Door
from transport.drain import Drain
from transport.event_stream import ChunkedEncoder, EventStreamDoor
from transport.gateway_conversation import GATEWAY_SOCKET_PATH, GatewayDoor
from transport.handlers import ClientHandlers
from transport.http.app import create_app
from transport.http.origins import Origins
from transport.http.services import HttpOptions, HttpServices, Readiness
from transport.hypercorn_adapter import HypercornHTTP
from transport.listener import Listener, Lounge, Spawn
from transport.listener_options import Bind, ListenerOptions
from transport.listener_statistics import Tally
from transport.pipeline_door import PipelineDoor
from transport.pipelines import Pipelines, PipelinesOptions
from transport.poller import Poller
from transport.realtime_agent import RealtimeOptions
from transport.roster import Roster
from transport.steps_conversation import StepsDoor
from transport.steps_desk import StepsDesk
from transport.steps_identity import VerifyClient
from transport.steps_stream import StepsStreamDoor
from transport.wallet_conversation import WalletDoor
from transport.wallet_identity import WalletIdentity
from transport.wallets import Wallets


class Gateway:
    """A running gateway. `clients` is where its clients' tasks live."""

    def __init__(
        self,
        world: World,
        services: ClientServices,
        verifier: NamesAreKeys,
        listener: Listener,
        desk: StepsDesk,
        wallets: Wallets,
        pipelines: Pipelines,
        poller: Poller,
    ) -> None:
        self.world = world
        self.poller = poller
        self.pipelines = pipelines
        self.services = services
        self.verifier = verifier
        self.listener = listener
        self.desk = desk
        self.wallets = wallets

    @property
    def port(self) -> int:
        return self.listener.addresses[0][1]

    async def settled(self, connections: int = 0) -> None:
        """Returns once so many are connected, and of those who left nothing is: no task, subscription or follower."""
        with trio.fail_after(10):
            while self.listener.statistics().open > connections:
                await trio.testing.wait_all_tasks_blocked(0.005)
        assert len(self.world.connections) == connections
        if not connections:
            left = self.world.channels.statistics()
            assert (left.subscriptions, left.followers) == (0, 0)
        assert self.listener.statistics().crashed == 0

    @asynccontextmanager
    async def client(self, user: str | None = None, device: str | None = None) -> AsyncIterator[Client]:
        # The stream is opened here because trio-websocket leaves it open where the server was the first to close.
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream, trio.open_nursery() as nursery:
            socket = await wrap_client_stream(nursery, stream, "127.0.0.1", GATEWAY_SOCKET_PATH)
            client = Client(socket)
            if user is not None:
                await client.login(user, device)
            yield client
            await socket.aclose()


def agent_services_of(world: World) -> AgentServices:
    return AgentServices(toolbox=EchoToolbox(), roster=Roster(), rooms=world.rooms)


@asynccontextmanager
async def running_gateway(
    agents: dict[str, Any],
    limits: Limits | None = None,
    options: ClientOptions | None = None,
    listener_options: ListenerOptions | None = None,
    agent_services: Callable[[World], AgentServices] = agent_services_of,
    verify_client: VerifyClient | None = None,
    pipelines_options: PipelinesOptions | None = None,
) -> AsyncIterator[Gateway]:
    """A gateway on a free port of loopback. All of it ends with the block."""
    chosen = listener_options or ListenerOptions(binds=(Bind(port=0),))
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as tasks:
            yield await _start(
                nursery,
                tasks,
                agents,
                limits,
                options or ClientOptions(auth_required=True),
                chosen,
                agent_services,
                verify_client,
                pipelines_options,
            )
            # Tasks end before the topics on which they say so.
            tasks.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def _start(
    nursery: trio.Nursery,
    tasks: trio.Nursery,
    agents: dict[str, Any],
    limits: Limits | None,
    options: ClientOptions,
    listener_options: ListenerOptions,
    agent_services: Callable[[World], AgentServices],
    verify_client: VerifyClient | None,
    pipelines_options: PipelinesOptions | None,
) -> Gateway:
    verifier = NamesAreKeys()
    world = World(nursery, agents, limits, tasks_nursery=tasks, verifier=verifier)
    own = agent_services(world)
    tickets = NamesAreTickets()
    payload = GatewayPayload()
    services = ClientServices(
        router=world.router,
        connections=world.connections,
        feeds=world.feeds,
        verifier=verifier,
        tickets=tickets,
        gateway_frames=WebSocketEncoder(payload),
        gateway_blocks=ChunkedEncoder(SseEncoder(payload)),
        spawn_writer=nursery.start_soon,
        spawn_worker=nursery.start_soon,
        options=options,
    )
    desk = StepsDesk(services, EchoToolbox(), RealtimeOptions("echo"), verify_client)
    pipelines = Pipelines(
        world.router,
        world.feeds,
        MemoryUploads(),
        pipelines_options or PipelinesOptions(auth_required=options.auth_required),
    )
    drain, tally = Drain(), Tally()
    wallets = Wallets(world.router, world.feeds, WalletIdentity(require_signature=False), 30.0)

    async def serve(stream: ByteStream) -> None:
        await edge.serve(stream)

    poller = Poller()
    await nursery.start(poller.run)
    lounge = Lounge(poller, lambda stream, berth: edge.welcome(stream, berth))
    listener = Listener(listener_options, serve, _spawn_in(nursery), tally, lounge=lounge)
    app = create_app(
        HttpServices(
            router=world.router,
            verifier=verifier,
            tickets=tickets,
            toolbox=EchoToolbox(),
            connections=world.connections,
            agent_roster=own.roster,
            wallets=wallets,
            listener=listener,
            steps=desk,
            pipelines=pipelines,
            readiness=lambda: Readiness.READY,
            options=HttpOptions(
                auth_required=options.auth_required,
                cors_origins=options.cors_origins,
                loopback_only=options.loopback_only,
            ),
        )
    )
    http = HypercornHTTP(app, listener_options, drain)
    origins = Origins(options.cors_origins, loopback_only=options.loopback_only)
    sockets: list[Door] = [
        GatewayDoor(services),
        AgentDoor(services, own),
        StepsDoor(desk),
        WalletDoor(services, wallets),
        PipelineDoor(services, pipelines),
    ]
    streams: list[Door] = [EventStreamDoor(services, origins), StepsStreamDoor(desk, origins)]
    handlers = ClientHandlers(options, origins, sockets, streams)
    edge = ConnectionEdge(listener_options, handlers, http, drain, tally)
    await nursery.start(http.run)
    await nursery.start(listener.run)
    return Gateway(world, services, verifier, listener, desk, wallets, pipelines, poller)


def _spawn_in(nursery: trio.Nursery) -> Spawn:
    def spawn(name: str, run: Callable[[], Awaitable[None]]) -> None:
        nursery.start_soon(run, name=name)

    return spawn
