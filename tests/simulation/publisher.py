"""One who publishes to a topic of a simulated engine, one piece after the other, and knows what became of each."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import trio

from actors.channels import Channels
from actors.errors import CallboardError
from actors.event import ChannelKey, Draft, Merge, draft
from actors.position import Position


class Outcomes(Protocol):
    """Where the engine is, and who is told what it did."""

    async def engine(self) -> Channels:
        """The topics of the engine once it runs."""
        ...

    def is_current(self, channels: Channels) -> bool:
        """Whether that engine still runs."""
        ...

    def acknowledge(self, key: ChannelKey, words: tuple[str, ...], position: Position) -> None: ...

    def refuse(self, key: ChannelKey, words: tuple[str, ...]) -> None: ...

    def owe(self, key: ChannelKey, word: str) -> None: ...


class Publisher:
    """As a client it asks for positions; as the engine itself it does not, and nothing of it is ever refused."""

    def __init__(self, key: ChannelKey, who: str, outcomes: Outcomes) -> None:
        self._key = key
        self._who = who
        self._outcomes = outcomes
        self._numbers = 0
        self._waiting: deque[int] = deque()
        self._news = trio.Event()
        self._attempt: trio.CancelScope | None = None

    @property
    def is_idle(self) -> bool:
        return not self._waiting and self._attempt is None

    def add(self, events: int) -> None:
        self._waiting.append(events)
        self._news.set()

    def give_up(self) -> None:
        """What is being published may be there or not, unless it is known to be."""
        if self._attempt is not None:
            self._attempt.cancel()

    async def run(self) -> None:
        while True:
            while not self._waiting:
                self._news = trio.Event()
                await self._news.wait()
            channels = await self._outcomes.engine()
            events = self._waiting.popleft()
            with trio.CancelScope() as self._attempt:
                if self._who == "client":
                    await self._publish(channels, events)
                else:
                    for _ in range(events):
                        await self._emit(channels)
            self._attempt = None

    async def _publish(self, channels: Channels, events: int) -> None:
        words = tuple(self._next_word() for _ in range(events))
        try:
            position = await channels.publish(self._key, *map(_draft, words))
        except CallboardError:
            self._outcomes.refuse(self._key, words)
        else:
            if self._outcomes.is_current(channels):
                self._outcomes.acknowledge(self._key, words, position)

    async def _emit(self, channels: Channels) -> None:
        word = self._next_word()
        try:
            await channels.emit(self._key, _draft(word))
        except trio.Cancelled:
            # Cancelled meanwhile, nothing is appended.
            self._outcomes.refuse(self._key, (word,))
            raise
        except trio.BrokenResourceError:
            # The topic was closed under it.
            self._outcomes.refuse(self._key, (word,))
        else:
            if self._outcomes.is_current(channels):
                self._outcomes.owe(self._key, word)

    def _next_word(self) -> str:
        self._numbers += 1
        return f"{self._who}-{self._numbers}"


def _draft(word: str) -> Draft:
    """Now and then one that may be merged with its neighbours."""
    merge = Merge.TEXT if int(word.rsplit("-", 1)[1]) % 5 else Merge.NEVER
    return draft("said", {"content": f"{word} "}, merge=merge, timestamp=1)
