"""A relay before a server whose every connection breaks after some bytes, wherever in a message that is."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import trio


class Scissors:
    """`budget` says how many bytes, both ways together, the next connection may pass; `accepted` counts connections."""

    def __init__(self, target: str, port: int, budget: Callable[[], int]) -> None:
        parts = urlsplit(target)
        self.url = f"http://127.0.0.1:{port}"
        self.accepted = 0
        self._target = (parts.hostname or "", parts.port or 80)
        self._budget = budget

    async def serve(self, client: trio.SocketStream) -> None:
        self.accepted += 1
        left = self._budget()

        async def copy(source: trio.SocketStream, sink: trio.SocketStream) -> None:
            nonlocal left
            try:
                async for data in source:
                    passed, left = data[: max(left, 0)], left - len(data)
                    await sink.send_all(passed)
                    if left <= 0:
                        break
            except trio.BrokenResourceError:
                pass
            nursery.cancel_scope.cancel()

        async with await trio.open_tcp_stream(*self._target) as server, trio.open_nursery() as nursery:
            nursery.start_soon(copy, server, client)
            await copy(client, server)


async def start_scissors(nursery: trio.Nursery, target: str, budget: Callable[[], int]) -> Scissors:
    """Relays to the URL `target` until `nursery` ends."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    scissors = Scissors(target, listeners[0].socket.getsockname()[1], budget)
    nursery.start_soon(trio.serve_listeners, scissors.serve, listeners)
    return scissors
