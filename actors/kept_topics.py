"""The topics that outlive the process: which these are, how they are made, and what the journal is told of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from actors.channel import Addition
from actors.event import ChannelKey
from actors.groups import Groups
from actors.journal import Journal
from actors.journal_entries import Kept, Together
from actors.keeper import ForgetfulKeeper, JournalKeeper, Keeper
from actors.kept_channel import KeptChannel
from actors.log import Log, Pages
from actors.log_totals import LogTotals
from actors.retention import Retention
from actors.snapshot_base import FOLDS, no_base
from actors.spawner import Spawner
from actors.store import Floor, Opened, Record


class Keeping(msgspec.Struct, frozen=True):
    """Topics that `keeps` names go through the journal. Of their events those within `window` stay in memory, all are
    in `pages`."""

    journal: Journal
    pages: Pages
    keeps: Callable[[ChannelKey], bool]
    window: Retention


class KeptTopics:
    """All of them, in use or not."""

    def __init__(self, keeping: Keeping | None) -> None:
        """Without `keeping` there are none."""
        self._keeping = keeping
        self.keeper: Keeper = ForgetfulKeeper() if keeping is None else JournalKeeper(keeping.journal)
        """What is told to it stays in order with the events."""
        self._keys: Groups[tuple[str, str], ChannelKey] = Groups()

    def __contains__(self, key: ChannelKey) -> bool:
        """Whether the topic is one of them, be it that it does not exist yet."""
        return self._keeping is not None and self._keeping.keeps(key)

    def of(self, channel: str, owner: str) -> Collection[ChannelKey]:
        """Those of an owner that exist."""
        return self._keys.of((channel, owner))

    def make_log(self, key: ChannelKey, epoch: str | None, totals: LogTotals) -> Log | None:
        """An empty one, from now on among them; None for a topic that is not kept."""
        keeping = self._keeping
        if keeping is None or not keeping.keeps(key):
            return None
        self._keys.add((key.channel, key.owner), key)
        return Log(key, keeping.window, epoch=epoch, totals=totals, pages=keeping.pages)

    def make_channel(self, log: Log, supervisor: Spawner, in_place: int) -> KeptChannel | None:
        """None for a topic that is not kept."""
        keeping = self._keeping
        if keeping is None or not keeping.keeps(log.key):
            return None
        return KeptChannel(log, keeping.journal, supervisor, in_place)

    def note_opened(self, log: Log) -> None:
        """A position in it is going to be told, be it before the first event."""
        self.keeper.note(opened=(Opened(log.key, log.epoch),))

    def note_forgotten(self, key: ChannelKey, records: Sequence[Record]) -> None:
        """The topic is no more, and in the same step what the records say."""
        self._keys.discard((key.channel, key.owner), key)
        bases = (no_base(key),) if key.channel in FOLDS else ()
        self.keeper.note(*records, *bases, dropped=(key,))

    def let_go(self, key: ChannelKey, offset: int) -> None:
        """What the topic holds up to there is no longer kept, if it was."""
        if self._keeping is not None and self._keeping.keeps(key):
            self._keeping.journal.put_nowait(Kept(floors=(Floor(key, offset),)))

    async def add(self, additions: Sequence[tuple[KeptChannel, Addition]], opened: tuple[Opened, ...]) -> None:
        """All as one, waiting while the journal has no room; cancelled meanwhile, nothing is added. Raises as
        `Channel.add`."""
        if self._keeping is None or not additions:
            return
        journal = self._keeping.journal
        for channel, _ in additions:
            channel.expect()
        try:
            await journal.wait_for_room(is_refusable=any(addition.is_refusable for _, addition in additions))
            for channel, _ in additions:
                channel.check_open()
            journal.put_nowait(Together(tuple(channel.entry(addition) for channel, addition in additions), opened))
        except BaseException:
            # Cancelled, or refused: either way they do not come any more.
            for channel, _ in additions:
                channel.forgo()
            raise
        for channel, _ in additions:
            channel.take_over()
