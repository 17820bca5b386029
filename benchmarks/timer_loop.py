"""What 500 streams cost a program that is no server: as many trio tasks that wake up 50 times a second.

    python -m benchmarks.timer_loop TASKS PER_SECOND [send]

With `send` it prints its port, and each task writes 200 bytes to a TCP connection of its own at every wake-up, once
`timer_reader` has opened them all: the least that any program on trio pays for its tokens.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import TypeAlias

import trio

Send: TypeAlias = Callable[[bytes], int]

_TOKEN = bytes(200)


async def tick(per_second: float, send: Send | None) -> None:
    began, count = trio.current_time(), 0
    while True:
        if send is not None:
            send(_TOKEN)
        count += 1
        await trio.sleep_until(began + count / per_second)


async def main(per_second: float, sends: list[Send | None]) -> None:
    async with trio.open_nursery() as nursery:
        for send in sends:
            nursery.start_soon(tick, per_second, send)


def connections(count: int) -> list[socket.socket]:
    """So many, once they are there."""
    with socket.create_server(("127.0.0.1", 0), backlog=count) as listening:
        print(f'{{"port":{listening.getsockname()[1]}}}', flush=True)
        accepted = [listening.accept()[0] for _ in range(count)]
    for sock in accepted:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
    return accepted


if __name__ == "__main__":
    tasks, rate, *sending = sys.argv[1:]
    sends: list[Send | None] = [None] * int(tasks)
    if sending:
        sends = [sock.send for sock in connections(int(tasks))]
    trio.run(main, float(rate), sends)
