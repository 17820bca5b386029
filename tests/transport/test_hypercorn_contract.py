"""What the adapter needs of Hypercorn's insides. Where this fails, read the new Hypercorn before moving the pin."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import version

import pytest
from hypercorn.config import Config
from hypercorn.events import Closed, RawData, Updated
from hypercorn.protocol.h2 import H2Protocol, StreamBuffer
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import TaskGroup

PROTOCOL = [
    "self",
    "app",
    "config",
    "context",
    "task_group",
    "connection_state",
    "ssl",
    "client",
    "server",
    "send",
]


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("hypercorn").startswith("0.18."), "transport/hypercorn_adapter.py is written against Hypercorn 0.18"


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (H11Protocol.__init__, PROTOCOL),
        (H2Protocol.__init__, PROTOCOL),
        (H11Protocol.initiate, ["self"]),
        (H11Protocol.handle, ["self", "event"]),
        (H11Protocol._check_protocol, ["self", "event"]),
        (H2Protocol.handle, ["self", "event"]),
        (H2Protocol._handle_events, ["self", "events"]),
        (H2Protocol._flush, ["self"]),
        (H2Protocol._send_data, ["self", "stream_id"]),
        (H2Protocol.stream_send, ["self", "event"]),
        (Lifespan.__init__, ["self", "app", "config", "state"]),
        (Lifespan.handle_lifespan, ["self", "task_status"]),
        (WorkerContext.__init__, ["self", "max_requests"]),
        (TaskGroup.spawn_app, ["self", "app", "config", "scope", "send"]),
        (TaskGroup.spawn, ["self", "func", "args"]),
    ],
)
def test_a_signature(function: Callable[..., object], parameters: list[str]) -> None:
    found = list(inspect.signature(function).parameters)
    assert found == parameters, f"Hypercorn changed {function.__qualname__}"


def test_a_stream_is_complete_when_nothing_but_its_end_is_left() -> None:
    assert isinstance(inspect.getattr_static(StreamBuffer, "complete"), property)
    assert "self.stream_buffers" in inspect.getsource(H2Protocol._send_data)


@pytest.mark.parametrize(
    "name",
    ["errorlog", "h11_max_incomplete_size", "include_server_header", "max_app_queue_size", "shutdown_timeout"],
)
def test_a_setting(name: str) -> None:
    assert hasattr(Config(), name), f"Hypercorn's Config lost {name}"


def test_the_events_between_a_protocol_and_its_connection_are_these_three() -> None:
    source = inspect.getsource(TCPServer.protocol_send)
    assert [event.__name__ for event in (RawData, Closed, Updated) if f"isinstance(event, {event.__name__})" in source]
    assert source.count("isinstance(event") == 3, "Hypercorn's protocols send an event that the adapter does not know"
