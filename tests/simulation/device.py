"""A client on a simulated network that comes back whenever it is cut off, and writes down what it is handed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import ClassVar, TypeAlias

import trio
from wsproto.frame_protocol import FrameProtocol

from actors.position import Position
from tests.simulation.frames import Parts
from tests.simulation.ledger import Item, Seen
from tests.simulation.wire import Wire

_RETRY_SECONDS = 0.5
Connect: TypeAlias = "Callable[[Device], Awaitable[Wire]]"
"""Returns once an engine listens."""


class Device(ABC):
    """Follows topics over one connection after the other. `records` are by topic."""

    parts: ClassVar[type[Parts]]
    """How its transport frames what it is told."""

    def __init__(self, name: str, topics: Iterable[str], connect: Connect, chance: Random) -> None:
        self.name = name
        self.records: dict[str, list[Item]] = {topic: [] for topic in topics}
        self.wire: Wire | None = None
        self._connect = connect
        self._chance = chance

    async def run(self) -> None:
        while True:
            self.wire = await self._connect(self)
            await self._follow(self.wire)
            await trio.sleep(self._chance.random() * _RETRY_SECONDS)

    def cut(self) -> None:
        if self.wire is not None:
            self.wire.cut()

    def stall(self) -> None:
        if self.wire is not None:
            self.wire.stall()

    def flow(self) -> None:
        if self.wire is not None:
            self.wire.flow()

    @abstractmethod
    def position(self, topic: str) -> Position | None:
        """How far it has come in one of the topics; None where it has heard nothing."""

    def is_level(self, topic: str, tail: Position) -> bool:
        """Whether it has all of one of the topics."""
        return self.position(topic) == tail

    @property
    def query(self) -> str:
        """What a GET asks for, where it asks by that."""
        return ""

    @abstractmethod
    def request(self) -> str | None:
        """What it says first, where it says something."""

    @abstractmethod
    def told(self, text: bytes) -> tuple[str, Seen] | None:
        """The topic and the events, where the text tells of some. Changes nothing."""

    @abstractmethod
    def take(self, text: bytes) -> None:
        """Writes it down."""

    async def _follow(self, wire: Wire) -> None:
        if (request := self.request()) is not None:
            wire.say(masked(request))
        parts = self.parts()
        while data := await wire.hear():
            for text in parts.feed(data):
                self.take(text)


def masked(text: str) -> bytes:
    return bytes(FrameProtocol(client=True, extensions=[]).send_data(text, fin=True))
