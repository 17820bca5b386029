"""The topics of a simulated engine: those of everybody's, a room, and a user's task with the feed that tells of it."""

from __future__ import annotations

from actors.event import ChannelKey, Draft, Merge, draft
from actors.principal import ANONYMOUS
from tests.simulation.schedule import Shape

CHANNEL = "app"
ROOM = ChannelKey("room", "lobby")
WORK = ChannelKey("task", "work", ANONYMOUS.user_id)
STEPS = ChannelKey("feed", "steps", ANONYMOUS.user_id)
"""What the dialect of the steps makes of WORK."""
_TOLD_OF_A_STEP = ("step:start", "step:complete")


def keys_of(shape: Shape) -> tuple[ChannelKey, ...]:
    """No two have the same name. Those of everybody's come first."""
    boards = tuple(ChannelKey(CHANNEL, f"t{number}") for number in range(shape.topics))
    return (*boards, *([ROOM] if shape.members else []), *([WORK, STEPS] if shape.listeners else []))


def said_in(key: ChannelKey, word: str) -> Draft:
    """The event that brings a word into a topic. Of everybody's, most may be merged with their neighbours."""
    match key.channel:
        case "room":
            return draft("room.message", {"user_id": "somebody", "content": word}, timestamp=1)
        case "task":
            return draft("step.completed", {"step_id": word, "name": word}, timestamp=1)
        case _:
            merge = Merge.TEXT if int(word.rsplit("-", 1)[1]) % 5 else Merge.NEVER
            return draft("said", {"content": f"{word} "}, merge=merge, timestamp=1)


def words_of(event_type: str, data: object, offset: int) -> tuple[str, ...]:
    """Of an event, or of several that were merged. What nobody has said gets its word from its place."""
    assert isinstance(data, dict)
    match event_type:
        case "said" | "room.message" | "room_message":
            return tuple(str(data["content"]).split())
        case "step.completed":
            return (str(data["step_id"]),)
        case "step:start" | "step:complete":
            return (f"{event_type}.{data['stepId']}",)
        case _:
            return (f"{event_type}-{offset}",)


def told_of(word: str) -> tuple[str, ...]:
    """What the feed says of a word of WORK."""
    return tuple(f"{kind}.{word}" for kind in _TOLD_OF_A_STEP)
