"""Makes topics: the log, and the channel that hands its events out, of one that is kept or of one that is not."""

from __future__ import annotations

from collections.abc import Mapping

from actors.channel import Channel
from actors.channels_options import ChannelsOptions
from actors.event import ChannelKey
from actors.kept_topics import KeptTopics
from actors.last_publisher import LastPublisher
from actors.log import Log
from actors.log_totals import LogTotals
from actors.retention import Retention
from actors.spawner import Spawner
from actors.volatile_channel import VolatileChannel


class TopicFactory:
    """Its topics share a supervisor and the totals. Nothing of them is remembered here."""

    def __init__(
        self,
        supervisor: Spawner,
        kept: KeptTopics,
        retention: Mapping[str, Retention],
        options: ChannelsOptions,
        totals: LogTotals,
    ) -> None:
        """`retention`: by channel, of topics that are not kept."""
        self._supervisor = supervisor
        self._kept = kept
        self._retention = retention
        self._options = options
        self._totals = totals
        self._last_publisher = LastPublisher()

    def make_log(self, key: ChannelKey, retention: Retention | None = None, epoch: str | None = None) -> Log:
        """An empty one. `retention`: where it is not that of its channel; without `epoch` a new one begins."""
        log = self._kept.make_log(key, epoch, self._totals)
        if log is not None:
            return log
        return Log(key, retention or self._retention.get(key.channel, Retention()), epoch=epoch, totals=self._totals)

    def make_channel(self, log: Log) -> Channel:
        mailbox, in_place = self._options.mailbox, self._options.in_place
        kept = self._kept.make_channel(log, self._supervisor, in_place)
        return kept or VolatileChannel(log, mailbox, self._supervisor, in_place, self._last_publisher)
