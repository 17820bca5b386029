"""What the Python peers share: the options, the payload, and when to broadcast. Everything else is each library's own.

A peer listens on a free port and prints {"port": P}. It answers each text message with `subscribed`, or a ping with a
pong, and broadcasts from the line on its standard input on, one event a write.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterable

SUBSCRIBED = '{"type":"subscribed"}'
FULL = 1 << 20
"""Bytes unsent for one client at which a peer at full speed pauses: the libraries themselves would buffer on."""
ROUNDS = 64
"""How many broadcasts pass between two looks at what is unsent."""
FILLER_BYTES = 16 << 10
STAMP_DIGITS = 19


class Options:
    """`rate`: events a second, 0 for full speed. `size`: bytes of an event. `fill`: large events sent beforehand."""

    def __init__(self) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("--rate", type=float, default=0)
        parser.add_argument("--bytes", type=int, default=200)
        parser.add_argument("--fill", type=int, default=0)
        given = parser.parse_args()
        self.rate: float = given.rate
        self.size: int = given.bytes
        self.fill: int = given.fill


def listen() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(4096)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    return listener


def event(size: int) -> str:
    """An event of `size` bytes with the time in nanoseconds."""
    head = f'{{"t":{time.monotonic_ns():>{STAMP_DIGITS}},"pad":"'
    return head + "x" * (size - len(head) - 2) + '"}'


def answer(text: str | bytes) -> str:
    """To a ping a pong that names it, to anything else `subscribed`."""
    request = json.loads(text)
    if request.get("type") == "ping":
        return json.dumps({"type": "pong", "id": request["id"]})
    return SUBSCRIBED


async def told_to_start() -> None:
    loop = asyncio.get_running_loop()
    started: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sys.stdin, lambda: started.done() or started.set_result(None))
    await started
    loop.remove_reader(sys.stdin)


async def broadcast(
    options: Options, send: Callable[[str], Awaitable[None] | None], unsent: Callable[[], Iterable[int]]
) -> None:
    """Sends events to everybody for ever, from the line on standard input on."""
    await told_to_start()
    gc.collect()
    gc.freeze()
    for _ in range(options.fill):
        await _sent(send("x" * FILLER_BYTES))
    began, rounds = time.monotonic(), 0
    while True:
        await _sent(send(event(options.size)))
        rounds += 1
        if options.rate:
            await asyncio.sleep(began + rounds / options.rate - time.monotonic())
        elif rounds % ROUNDS == 0:
            # The libraries broadcast without an event that tells when a client has caught up.
            while max(unsent(), default=0) > FULL:  # noqa: ASYNC110 see above
                await asyncio.sleep(0.001)


async def _sent(sending: Awaitable[None] | None) -> None:
    if sending is not None:
        await sending
    await asyncio.sleep(0)
