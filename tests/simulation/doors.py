"""The ways into a simulated engine: how each kind of device is served."""

from __future__ import annotations

from functools import partial

from actors.principal import ANONYMOUS
from actors.rooms import Rooms
from tests.simulation.device import Device
from tests.simulation.gateway_device import GatewayDevice
from tests.simulation.listeners import MemberDevice, StepsDevice, StreamDevice
from tests.simulation.topics import CHANNEL
from tests.simulation.wire import Wire
from tests.support.world import EchoToolbox
from transport.agent_conversation import AgentConversation, AgentServices
from transport.client_services import ClientServices
from transport.client_socket import ClientSocket
from transport.connection_edge import Serving
from transport.dialects.agent_events import AgentEncoder
from transport.event_stream import EventStreamDoor
from transport.gateway_conversation import GatewayConversation
from transport.head import RequestHead
from transport.http.origins import Origins
from transport.realtime_agent import RealtimeAgent, RealtimeOptions
from transport.roster import Roster
from transport.steps_desk import StepsDesk
from transport.steps_stream import STEPS_STREAM_PATH, StepsStreamDoor


class Doors:
    """As an engine's front has them, behind the request's head."""

    def __init__(self, services: ClientServices, rooms: Rooms) -> None:
        self._services = services
        origins, toolbox = Origins(()), EchoToolbox()
        self._streams = EventStreamDoor(services, origins)
        self._desk = StepsDesk(services, toolbox, RealtimeOptions(default_agent="none", buffer_size=1_000_000), None)
        self._steps = StepsStreamDoor(self._desk, origins)
        self._rooms = AgentServices(toolbox=toolbox, roster=Roster(), rooms=rooms)
        self._agent_frames = AgentEncoder()

    def open(self, device: Device, wire: Wire) -> Serving:
        """What serves the device."""
        match device:
            case GatewayDevice():
                client = ClientSocket(wire, self._services, self._services.gateway_frames, GatewayConversation)
                return partial(client.serve, b"")
            case MemberDevice():
                speaks = partial(AgentConversation, own=self._rooms, principal=ANONYMOUS)
                return partial(ClientSocket(wire, self._services, self._agent_frames, speaks).serve, b"")
            case StreamDevice():
                head = _get(f"/api/v1/channels/{CHANNEL}/{device.topic}/events", device.query)
                return self._streams.open(wire, head)
            case StepsDevice():
                return self._steps.open(wire, _get(STEPS_STREAM_PATH, device.query))
            case _:
                raise TypeError(f"no way in for {device.name}")

    def open_steps(self) -> RealtimeAgent:
        """Sees to it that the feed of the steps is there. Raises CallboardError."""
        return self._desk.agents.of(ANONYMOUS.user_id)


def _get(path: str, query: str) -> RequestHead:
    target = f"{path}?{query}" if query else path
    raw = f"GET {target} HTTP/1.1\r\nhost: engine\r\n\r\n".encode()
    return RequestHead("GET", target, path, query, "1.1", (("host", "engine"),), raw)
