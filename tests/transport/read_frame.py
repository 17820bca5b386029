"""A text frame of the server, as a client of wsproto reads it."""

from __future__ import annotations

import json
from typing import Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage


def read_frame(data: bytes) -> dict[str, Any]:
    """The object in what must be exactly one unmasked text frame."""
    assert data[1] & 0x80 == 0
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(data)
    (message,) = client.events()
    assert isinstance(message, TextMessage)
    assert message.message_finished
    found = json.loads(message.data)
    assert isinstance(found, dict)
    return found
