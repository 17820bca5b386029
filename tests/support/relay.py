"""A relay before a server: sees what its process does not tell, when its client hangs up; and can be cut."""

from __future__ import annotations

from urllib.parse import urlsplit

import trio


class Relay:
    """Passes bytes both ways. `client_closed` is set when a client closes its connection; `accepted` counts clients."""

    def __init__(self, url: str, host: str, port: int) -> None:
        self.url = url
        self.client_closed = trio.Event()
        self.accepted = 0
        self._host = host
        self._port = port
        self._open: set[trio.CancelScope] = set()

    def cut(self) -> None:
        """Closes every connection there is, in mid-sentence. New ones are taken."""
        for scope in self._open:
            scope.cancel()

    async def serve(self, client: trio.SocketStream) -> None:
        self.accepted += 1
        async with await trio.open_tcp_stream(self._host, self._port) as server, trio.open_nursery() as nursery:
            self._open.add(nursery.cancel_scope)
            nursery.start_soon(_copy, server, client)
            await _copy(client, server)
            self.client_closed.set()
            nursery.cancel_scope.cancel()
        self._open.remove(nursery.cancel_scope)


async def start_relay(nursery: trio.Nursery, target: str) -> Relay:
    """Relays to the URL `target` until `nursery` ends; the relay's `url` has the same path."""
    parts = urlsplit(target)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    relay = Relay(f"http://127.0.0.1:{port}{parts.path}", parts.hostname or "", parts.port or 80)
    nursery.start_soon(trio.serve_listeners, relay.serve, listeners)
    return relay


async def _copy(source: trio.SocketStream, sink: trio.SocketStream) -> None:
    try:
        async for data in source:
            await sink.send_all(data)
    except trio.BrokenResourceError:
        pass
