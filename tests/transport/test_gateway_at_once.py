"""Commands that come in one read and need no wait are answered in one write, in the task that has read them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import trio
import trio.testing
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from actors.commands import CancelTask, CreateTask
from actors.principal import ANONYMOUS
from tests.support.gateway import Gateway, running_gateway
from tests.support.raw_websocket import text_frame
from tests.transport.agents import AGENTS
from tests.transport.recording import Recording
from transport.client_services import ClientOptions
from transport.client_socket import ClientSocket
from transport.gateway_conversation import GatewayConversation

TOGETHER = 16


class Scripted(Recording):
    """What it is to read is there at once."""

    __slots__ = ()

    def _receive_nowait(self, max_bytes: int) -> bytes | None:
        return self._chunks.pop(0) if self._chunks else None


def told(stream: Scripted) -> list[dict[str, Any]]:
    """The messages that a client has been sent."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(stream.written)
    return [orjson.loads(event.data) for event in client.events() if isinstance(event, TextMessage)]


def serve(gateway: Gateway, requests: list[dict[str, Any]]) -> Scripted:
    """Has an idle client's requests of one read handled, without a task."""
    stream = Scripted(b"".join(map(text_frame, requests)), end=None)
    client = ClientSocket(stream, gateway.services, gateway.services.gateway_frames, GatewayConversation)
    client.begin(b"")
    client.rest()
    stream.writes.clear()
    client.ready()
    client.abandon()
    return stream


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the machine takes, all is in one slice of time."""
    monkeypatch.setattr("transport.websocket._SLICE_SECONDS", 60.0)


@pytest.mark.usefixtures("still")
async def test_commands_of_every_quick_kind_are_answered_in_one_write() -> None:
    async with running_gateway(AGENTS, options=ClientOptions(auth_required=False)) as gateway:
        router = gateway.world.router
        task = await router.create_task(ANONYMOUS, CreateTask(agent="echo", prompt="go"))
        await router.command_task(ANONYMOUS, CancelTask(task.id))
        await trio.testing.wait_all_tasks_blocked()
        news = {"channel": "app", "topics": ["news"]}
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("subscribe", news),
            ("subscribe", news),
            ("ping", {}),
            ("task.action", {"task_id": task.id, "action": "cancel"}),
            ("task.action", {"task_id": "task-0", "action": "cancel"}),
            ("unsubscribe", news),
            ("nonsense", {}),
        ]
        requests = [
            {"id": number, "type": kinds[number % len(kinds)][0], "payload": kinds[number % len(kinds)][1]}
            for number in range(TOGETHER)
        ]
        stream = serve(gateway, requests)
        assert len(stream.writes) == 1
        assert [each["id"] for each in told(stream)] == list(range(TOGETHER))
        kinds_told = ["subscribed", "subscribed", "pong", "task.result", "task.result", "unsubscribed", "error"]
        assert [each["type"] for each in told(stream)][: len(kinds)] == kinds_told
