"""What served a request is freed with it, and does not wait for the garbage collector, which comes seldom."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import trio
from hypercorn.protocol.h11 import H11Protocol

from tests.transport.server import start_server


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def protocols() -> int:
    return sum(isinstance(thing, H11Protocol) for thing in gc.get_objects())


async def test_a_request_leaves_no_cycle(nursery: trio.Nursery, no_collection: None) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    for _ in range(5):
        assert (await client.get()).status == 200
    # The last reply may have come before its exchange has ended.
    assert protocols() <= 1
