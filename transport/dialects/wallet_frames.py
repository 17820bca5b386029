"""What the wallet dialect answers and pushes: each as one text frame. Pure functions."""

from __future__ import annotations

import msgspec

from actors.errors import CallboardError
from actors.event import Draft, Event
from transport.dialects.wallet import Named, Ping
from transport.text_frame import text_frame

CLIENT_TYPES = ("ping",)
SERVER_TYPES = ("connection_established", "new_message", "task_update", "pong", "error")

_ESTABLISHED = "WebSocket连接已成功建立"


class _Missed(msgspec.Struct):
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")


def established(wallet: str) -> bytes:
    """The greeting."""
    greeting = {"type": "connection_established", "message": _ESTABLISHED, "wallet_address": wallet}
    return text_frame(msgspec.json.encode(greeting))


def pushed(told: Draft) -> bytes:
    """What the feed says, to one device."""
    return text_frame(told.body)


def pong(ping: Ping) -> bytes:
    return text_frame(b'{"type":"pong","timestamp":%b%b}' % (ping.timestamp, _names(ping.named)))


def error_frame(named: Named, error: CallboardError) -> bytes:
    return text_frame(_error(error.message, _names(named)))


class WalletEncoder:
    """The events of a wallet's feed, whose bodies are the messages of the dialect.

    What the feed no longer keeps is told as an error: the client is to load the state over HTTP.
    """

    def encode(self, event: Event) -> bytes:
        match event.event_type:
            case "new_message" | "task_update":
                return text_frame(event.body)
            case "gap":
                gap = msgspec.json.decode(event.body, type=_Missed)
                missed = max(gap.last - gap.first + 1, 0)
                message = f"{missed or 'some'} updates are no longer kept: load the state over HTTP"
                return text_frame(_error(message, b',"missed":%d' % missed))
            case _:
                return b""


def _error(message: str, more: bytes) -> bytes:
    # A client's word may be quoted here, cut in the midst of what JSON cannot hold.
    text = message.encode("utf-8", "replace").decode()
    return b'{"type":"error","message":%b%b}' % (msgspec.json.encode(text), more)


def _names(named: Named) -> bytes:
    found = ((b"id", named.id), (b"request_id", named.request_id))
    return b"".join(b',"%b":%b' % (name, raw) for name, raw in found if raw is not None)
