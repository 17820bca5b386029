"""What is true of a simulated engine's topics, put together from all that anyone was told of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from actors.position import Position

Life: TypeAlias = tuple[str, str]
"""A topic's name and an epoch of it."""


class Violation(Exception):
    """The property does not hold. `rule` names what is broken, the text says how."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule


class Began(msgspec.Struct, frozen=True):
    """A reader follows the topic from there on."""

    epoch: str
    offset: int


class Seen(msgspec.Struct, frozen=True):
    """The events `first` to `offset`, and their words."""

    epoch: str
    first: int
    offset: int
    words: tuple[str, ...]


class Missed(msgspec.Struct, frozen=True):
    """A reader was told that it does not get the events `first` to `last`, and goes on behind `offset` of `epoch`."""

    epoch: str
    first: int
    last: int
    reason: str
    offset: int


Item: TypeAlias = Began | Seen | Missed


class Ledger:
    """Each event's place, where somebody has seen it: never two at one place, never one at two places.

    A word is `<who>-<number>`: what one says comes in the order of the numbers.
    """

    def __init__(self, kept: Iterable[str]) -> None:
        self.kept = frozenset(kept)
        """The topics that outlive an engine."""
        self.floors: dict[Life, int] = {}
        """Up to there the retention was told to drop."""
        self.dead: set[Life] = set()
        """Lives that have ended: an explicit gap is due."""
        self.acknowledged: list[tuple[str, Position]] = []
        self.owed: dict[tuple[str, str], None] = {}
        """What the engine has said of itself and not kept yet: topics and words."""
        self._refused: set[tuple[str, str]] = set()
        self._places: dict[Life, dict[int, str]] = {}
        self._offsets: dict[Life, dict[str, int]] = {}

    def places(self, life: Life) -> dict[int, str]:
        return self._places.get(life, {})

    def place(self, topic: str, epoch: str, offset: int, word: str) -> None:
        """Somebody says that the word is there. Raises Violation."""
        life = topic, epoch
        there = self._places.setdefault(life, {}).setdefault(offset, word)
        if there != word:
            raise Violation("one event a place", f"{topic} {epoch}:{offset} is {there} and {word}")
        where = self._offsets.setdefault(life, {}).setdefault(word, offset)
        if where != offset:
            raise Violation("one place an event", f"{word} is in {topic} at {epoch}:{where} and at {offset}")
        if (topic, word) in self._refused:
            raise Violation("refused is refused", f"{word} is in {topic} at {epoch}:{offset}")

    def is_placed(self, topic: str, word: str) -> bool:
        return any(word in offsets for (its_topic, _), offsets in self._offsets.items() if its_topic == topic)

    def refuse(self, topic: str, word: str) -> None:
        """Its publisher was told that it is not there. Raises Violation where it is."""
        self._refused.add((topic, word))
        if self.is_placed(topic, word):
            raise Violation("refused is refused", f"{word} is in {topic}")

    def raise_floor(self, life: Life, offset: int) -> None:
        self.floors[life] = max(self.floors.get(life, 0), offset)

    def end(self, life: Life) -> None:
        """An explicit gap is due to all who follow the topic from now on."""
        self.dead.add(life)

    def forgive(self, topic: str | None = None) -> None:
        """What the engine has said and not kept was lost with good reason; `topic`: of that topic."""
        self.owed = {owed: None for owed in self.owed if topic is not None and owed[0] != topic}

    def check_order(self) -> None:
        """Raises Violation where what one has said is out of order."""
        for (topic, epoch), places in self._places.items():
            last: dict[str, int] = {}
            for _, word in sorted(places.items()):
                who, number = word.rsplit("-", 1)
                if int(number) <= last.get(who, -1):
                    raise Violation("in order", f"{word} comes after {who}-{last[who]} in {topic} of {epoch}")
                last[who] = int(number)
