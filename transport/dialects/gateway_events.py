"""An event on the wire of the gateway dialect: as a JSON payload, and as a block of an event stream."""

from __future__ import annotations

import msgspec

from actors.event import ChannelKey, Event
from actors.position import Position

_CACHED_KEYS = 4096
_RETRY_MS = 3000

HEARTBEAT = b": heartbeat\n\n"
"""A comment: it keeps proxies from closing a quiet stream, and no client sees it."""


class GatewayPayload:
    """`{"channel","topic","event_type","data","offset","epoch","timestamp"}` in bytes, and `from` on a merged event.

    The data is spliced in as it stands in the log. The names of a topic are encoded once and kept, for so many topics.
    """

    __slots__ = ("_prefixes",)

    def __init__(self) -> None:
        self._prefixes: dict[ChannelKey, bytes] = {}

    def encode(self, event: Event) -> bytes:
        prefix = self._prefixes.get(event.key) or self._remember(event.key)
        merged = b',"from":%d' % event.first if event.first != event.offset else b""
        # A type and an epoch hold no character that JSON escapes: `check_event_type` and `Log` see to that.
        return b'%b"event_type":"%b","data":%b,"offset":%d,"epoch":"%b","timestamp":%d%b}' % (
            prefix,
            event.event_type.encode(),
            event.body,
            event.offset,
            event.epoch.encode(),
            event.timestamp,
            merged,
        )

    def _remember(self, key: ChannelKey) -> bytes:
        if len(self._prefixes) >= _CACHED_KEYS:
            self._prefixes.clear()
        names = msgspec.json.encode({"channel": key.channel, "topic": key.topic})
        prefix = self._prefixes[key] = names[:-1] + b","
        return prefix


class SseEncoder:
    """An event as one block of an event stream: `event:` its type, `id:` its position, `data:` its payload."""

    __slots__ = ("_payload",)

    def __init__(self, payload: GatewayPayload) -> None:
        self._payload = payload

    def encode(self, event: Event) -> bytes:
        # A block named `error` would set off EventSource's own handler for a broken connection: it goes unnamed.
        named = b"" if event.event_type == "error" else b"event: %b\n" % event.event_type.encode()
        data = self._payload.encode(event)
        return b"%bid: %b:%d\ndata: %b\n\n" % (named, event.epoch.encode(), event.offset, data)


def sse_greeting(key: ChannelKey, position: Position, *, recovered: bool) -> bytes:
    """The first block of an event stream: where it starts, so that a client has a position before any event."""
    data = msgspec.json.encode(
        {"channel": key.channel, "topic": key.topic, "position": str(position), "recovered": recovered}
    )
    return b"event: subscribed\nid: %b\nretry: %d\ndata: %b\n\n" % (str(position).encode(), _RETRY_MS, data)
