"""What one client was told of one topic, in the order in which it was told."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import trio


class Place(msgspec.Struct, frozen=True, order=True):
    epoch: str
    offset: int

    @classmethod
    def parse(cls, text: str) -> Place:
        epoch, _, offset = text.rpartition(":")
        return cls(epoch, int(offset))

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"


class Began(msgspec.Struct, frozen=True):
    """The engine has said where the client goes on, and whether it has lost something."""

    place: Place
    recovered: bool


class Told(msgspec.Struct, frozen=True):
    """An event; one for all from `first` on where several were joined. `said` is what of it the dialect tells."""

    place: Place
    first: int
    said: str


class Missed(msgspec.Struct, frozen=True):
    """An explicit gap. What follows comes after `place`; None where the topic is no more."""

    reason: str
    place: Place | None


Entry: TypeAlias = Began | Told | Missed


class Record:
    """`name` says who was told of what."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: list[Entry] = []
        self.place: Place | None = None
        """What the client would resume from."""
        self._news = trio.Event()

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.place = entry.place
        self._news.set()

    async def wait_entry(self) -> None:
        """Returns once the client was told something."""
        while not self.entries:
            self._news = trio.Event()
            await self._news.wait()

    async def wait_reached(self, place: Place) -> None:
        """Returns once the client has come so far."""
        while self.place is None or self.place.epoch != place.epoch or self.place < place:
            self._news = trio.Event()
            await self._news.wait()


class Acknowledged(msgspec.Struct, frozen=True):
    """What a publisher was promised: its event, in its own words, is at that place."""

    topic: str
    place: Place
    said: str
