"""Who sees all that is said of a simulated engine's topics, and compares it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from actors.channels import Channels
from actors.event import ChannelKey, Event
from actors.position import Position
from callboard_client.frames import decode
from callboard_client.snapshots import Pushed
from tests.simulation.device import CHANNEL, noted, words_of
from tests.simulation.disk import Disk
from tests.simulation.ledger import Ledger, Seen, Violation


class Witness:
    """Hears what publishers are answered, clients are sent and the disk is given. `fail` is told what does not fit."""

    def __init__(self, kept: Iterable[str], disk: Disk, trace: list[str], fail: Callable[[Violation], None]) -> None:
        """`kept`: the topics that outlive an engine. What happens is written to `trace`."""
        self.ledger = Ledger(kept)
        self.channels: Channels | None = None
        """Those of the engine, while it runs and is not being stopped."""
        self._disk = disk
        self._trace = trace
        self._fail = fail

    def note(self, text: str) -> None:
        self._trace.append(f"{trio.current_time():.6f} {text}")

    def is_current(self, channels: Channels) -> bool:
        """Whether that engine still runs."""
        return self.channels is channels

    def acknowledge(self, key: ChannelKey, words: tuple[str, ...], position: Position) -> None:
        self.note(f"acknowledged {key.topic} {words} {position}")
        try:
            for offset, word in enumerate(words, position.offset - len(words) + 1):
                self._place(key, position.epoch, offset, word)
            self.ledger.acknowledged.append((key.topic, position))
        except Violation as violation:
            self._fail(violation)

    def refuse(self, key: ChannelKey, words: tuple[str, ...]) -> None:
        self.note(f"refused {key.topic} {words}")
        try:
            for word in words:
                self.ledger.refuse(key.topic, word)
        except Violation as violation:
            self._fail(violation)

    def owe(self, key: ChannelKey, word: str) -> None:
        if key.topic in self.ledger.kept and not self.ledger.is_placed(key.topic, word):
            self.ledger.owed[key.topic, word] = None

    def sent(self, text: bytes) -> None:
        """What a client is sent is kept by then."""
        frame = decode(text)
        if isinstance(frame, Pushed) and isinstance(seen := noted(frame), Seen):
            self.note(f"sent {frame.topic} {seen.epoch}:{seen.first}-{seen.offset}")
            key = ChannelKey(CHANNEL, frame.topic)
            try:
                self._check_in_log(key, seen)
                for offset, word in enumerate(seen.words, seen.first):
                    self._place(key, seen.epoch, offset, word)
            except Violation as violation:
                self._fail(violation)

    def _check_in_log(self, key: ChannelKey, seen: Seen) -> None:
        if self.channels is None:
            return
        log = self.channels.log(key)
        if log.epoch == seen.epoch and seen.offset > log.tail:
            raise Violation("visible is in the log", f"{key.topic} {seen.epoch}:{seen.offset}, the tail is {log.tail}")

    def _place(self, key: ChannelKey, epoch: str, offset: int, word: str) -> None:
        """Somebody learns that the word is there: so it is kept, if its topic is."""
        there = self._disk.epoch(key) == epoch and offset <= self._disk.tail(key)
        if key.topic in self.ledger.kept and not there and (key.topic, epoch) not in self.ledger.dead:
            raise Violation("visible is kept", f"{word} at {key.topic} {epoch}:{offset}")
        self.ledger.place(key.topic, epoch, offset, word)

    def written(self, event: Event) -> None:
        for word in words_of(event.data):
            self.note(f"kept {event.key.topic} {event.epoch}:{event.offset} {word}")
            self.ledger.owed.pop((event.key.topic, word), None)
            try:
                self.ledger.place(event.key.topic, event.epoch, event.offset, word)
            except Violation as violation:
                self._fail(violation)
