"""One who publishes to a topic of a simulated engine, one piece after the other, and knows what became of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import trio

from actors.channels import Channels
from actors.errors import CallboardError
from actors.event import ChannelKey, Draft, Merge, draft
from tests.simulation.witness import Witness


class Publisher:
    """As a client it asks for positions; as the engine itself it does not, and nothing of it is ever refused."""

    def __init__(self, key: ChannelKey, who: str, engine: Callable[[], Awaitable[Channels]], witness: Witness) -> None:
        """`engine` returns once one runs."""
        self._key = key
        self._who = who
        self._engine = engine
        self._witness = witness
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
            channels = await self._engine()
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
            self._witness.refuse(self._key, words)
        else:
            if self._witness.is_current(channels):
                self._witness.acknowledge(self._key, words, position)

    async def _emit(self, channels: Channels) -> None:
        word = self._next_word()
        try:
            await channels.emit(self._key, _draft(word))
        except trio.Cancelled:
            # Cancelled meanwhile, nothing is appended.
            self._witness.refuse(self._key, (word,))
            raise
        except trio.BrokenResourceError:
            # The topic was closed under it.
            self._witness.refuse(self._key, (word,))
        else:
            if self._witness.is_current(channels):
                self._witness.owe(self._key, word)

    def _next_word(self) -> str:
        self._numbers += 1
        return f"{self._who}-{self._numbers}"


def _draft(word: str) -> Draft:
    """Now and then one that may be merged with its neighbours."""
    merge = Merge.TEXT if int(word.rsplit("-", 1)[1]) % 5 else Merge.NEVER
    return draft("said", {"content": f"{word} "}, merge=merge, timestamp=1)
