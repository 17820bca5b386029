"""Clients of one topic each, in the ways of three dialects: they know nothing of it but what they are told."""

from __future__ import annotations

from abc import abstractmethod
from random import Random
from typing import Any

import msgspec

from actors.position import Position
from tests.simulation.device import Connect, Device
from tests.simulation.frames import Blocks, Frames
from tests.simulation.ledger import Began, Item, Missed, Seen
from tests.simulation.topics import ROOM, STEPS, words_of


class Listener(Device):
    """Asks to go on where it was, and holds what it hears for what it is told to be."""

    def __init__(self, name: str, topic: str, connect: Connect, chance: Random) -> None:
        super().__init__(name, (topic,), connect, chance)
        self.topic = topic
        self._place: Position | None = None

    def position(self, topic: str) -> Position | None:
        return self._place

    @property
    def since(self) -> str:
        return "0" if self._place is None else str(self._place)

    def told(self, text: bytes) -> tuple[str, Seen] | None:
        item = self.read(msgspec.json.decode(text))
        return (self.topic, item) if isinstance(item, Seen) else None

    def take(self, text: bytes) -> None:
        item = self.read(msgspec.json.decode(text))
        match item:
            case None:
                return
            case Began(epoch, offset):
                # Where something is lost the place stays as it was, until the gap itself has come.
                self._place = self._place or Position(epoch, offset)
            case Seen(epoch, _, offset, _) | Missed(epoch, _, _, _, offset):
                self._place = Position(epoch, offset)
        self.records[self.topic].append(item)

    @abstractmethod
    def read(self, message: dict[str, Any]) -> Item | None:
        """None for what has no place in the topic."""


class StreamDevice(Listener):
    """The gateway over an event stream."""

    parts = Blocks

    @property
    def query(self) -> str:
        return f"since={self.since}"

    def request(self) -> None:
        return None

    def read(self, message: dict[str, Any]) -> Item | None:
        if "position" in message:
            place = Position.parse(message["position"])
            # The first time it has asked for all: what is missing is told as a gap.
            known = message["recovered"] and self._place is None
            return Began(place.epoch, place.offset) if known or self._place is not None else None
        epoch, offset, data = message["epoch"], message["offset"], message["data"]
        if message["event_type"] == "gap":
            return Missed(epoch, data["from"], data["to"], data["reason"], offset)
        words = words_of(message["event_type"], data, offset)
        return Seen(epoch, message.get("from", offset), offset, words)


class MemberDevice(Listener):
    """The agent dialect over a WebSocket, in a room."""

    parts = Frames

    def __init__(self, name: str, connect: Connect, chance: Random) -> None:
        super().__init__(name, ROOM.topic, connect, chance)

    def request(self) -> str:
        return msgspec.json.encode({"type": "room_join", "room": self.topic, "since": self.since}).decode()

    def read(self, message: dict[str, Any]) -> Item | None:
        if "position" not in message:
            return None
        place = Position.parse(message["position"])
        match message["type"]:
            case "room_joined":
                known = message["recovered"] or self._place is not None
                return Began(place.epoch, place.offset) if known else None
            case "gap":
                return Missed(place.epoch, message["from"], message["to"], message["reason"], place.offset)
            case kind:
                return Seen(
                    place.epoch, place.offset, place.offset, words_of(_MEMBERS.get(kind, kind), message, place.offset)
                )


class StepsDevice(Listener):
    """The steps over an event stream: it hears what comes, and after that all that it missed."""

    parts = Blocks

    def __init__(self, name: str, connect: Connect, chance: Random) -> None:
        super().__init__(name, STEPS.topic, connect, chance)

    @property
    def query(self) -> str:
        return "" if self._place is None else f"lastEventId={self._place}"

    def request(self) -> None:
        return None

    def read(self, message: dict[str, Any]) -> Item | None:
        if "eventId" not in message:
            return None
        place, data = Position.parse(message["eventId"]), message["data"]
        match message["type"]:
            case "connected":
                return Began(place.epoch, place.offset)
            case "gap":
                return Missed(place.epoch, data["from"], data["to"], data["reason"], place.offset)
            case kind:
                return Seen(place.epoch, place.offset, place.offset, words_of(kind, data, place.offset))


_MEMBERS = {"room_member_joined": "member.joined", "room_member_left": "member.left"}
"""As the room's own log names them."""
