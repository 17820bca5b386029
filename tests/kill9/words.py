"""Events as the records write them down: the same words for what different dialects tell of the same thing."""

from __future__ import annotations

import json
from typing import Any


def said(channel: str, event_type: str, data: Any) -> str:
    """As the gateway tells it, and the database holds it."""
    match channel, event_type:
        case "task", "agent.message":
            # Pieces of text may come joined: then their words are, too.
            return str(data["content"])
        case "room", "room.message":
            return room_message(data["user_id"], data["content"])
        case "room", _:
            return room_member(event_type.removeprefix("member."), data["user_id"])
        case _:
            return f"{event_type} {json.dumps(data, sort_keys=True)}"


def note(marker: str) -> str:
    """What a publisher's event is written down as."""
    return said("app", "note", {"marker": marker})


def room_message(user_id: str, content: str) -> str:
    return f"{user_id}: {content}"


def room_member(what: str, user_id: str) -> str:
    return f"{user_id} has {what}"
