"""Where the clients of one dialect come in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

import trio

from actors.errors import CallboardError
from actors.principal import Principal
from transport.accepted import Accepted
from transport.byte_stream import ByteStream
from transport.client_socket import ClientSocket
from transport.connection_edge import Serving
from transport.head import RequestHead


class Door(Protocol):
    """Serves requests on the paths of one dialect: upgrades to a WebSocket, or event streams."""

    def serves(self, head: RequestHead) -> bool:
        """Whether the request is for this door."""
        ...

    def open(self, stream: ByteStream, head: RequestHead) -> Serving:
        """What serves the client from then on. An upgrade is a good one, by a client that may come in as far as its
        host and its page go."""
        ...


def open_identified(
    stream: ByteStream,
    known: Principal | None,
    identify: Callable[[], Awaitable[Principal]],
    refuse: Callable[[CallboardError], bytes],
    open_client: Callable[[Principal], ClientSocket],
    answer: bytes,
    close_seconds: float,
) -> Serving:
    """What serves a WebSocket client who shows who it is with its upgrade: `answer` is what accepts it. None `known`:
    that takes a wait, and `refuse` makes the HTTP reply where `identify` raises CallboardError."""
    if known is not None:
        return Accepted(open_client(known), answer)
    return partial(_serve_identified, stream, identify, refuse, open_client, answer, close_seconds)


async def _serve_identified(
    stream: ByteStream,
    identify: Callable[[], Awaitable[Principal]],
    refuse: Callable[[CallboardError], bytes],
    open_client: Callable[[Principal], ClientSocket],
    answer: bytes,
    close_seconds: float,
) -> None:
    try:
        principal = await identify()
    except CallboardError as error:
        await send_refusal(stream, refuse(error), close_seconds)
        return
    await open_client(principal).serve(answer)


async def send_refusal(stream: ByteStream, refusal: bytes, seconds: float) -> None:
    """Sends an HTTP reply to a client that is let in no further, as long as it takes it."""
    with trio.move_on_after(seconds):
        try:
            await stream.send_all(refusal)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
