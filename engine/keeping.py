"""Which topics outlive the process, and how they come back."""

from __future__ import annotations

from collections.abc import Mapping

from actors.channels import Channels
from actors.compactor import Compactor, CompactorOptions
from actors.event import ChannelKey
from actors.feeds import Feeds
from actors.journal import Journal, JournalOptions
from actors.kept_topics import Keeping
from actors.retainer import Retainer
from actors.retention import Retention
from actors.snapshots import Snapshots
from actors.store import RetainedStore, Store
from engine.config import Config
from engine.reporter import EngineReporter

_KEPT = frozenset({"task", "session", "system", "agent", "app", "room", "feed"})
_PASSING = frozenset({"alerts", "stats"})
"""System topics that say how things stand at the moment. An alert does not wait for the store: it may be about it."""


def is_kept(key: ChannelKey) -> bool:
    return key.channel in _KEPT and not (key.channel == "system" and key.topic in _PASSING)


def make_keeping(config: Config, store: Store, reporter: EngineReporter) -> Keeping:
    """Of each topic the newest events stay in memory, for those who lag a little."""
    options = JournalOptions(waiting=config.store.waiting, gather_seconds=config.store.gather_seconds)
    journal = Journal(store, options, changed=reporter.report_store)
    window = Retention(config.store.window_events, config.store.window_bytes, config.store.window_seconds)
    return Keeping(journal, store, is_kept, window)


def make_retainer(
    store: RetainedStore | None,
    keeping: Keeping | None,
    channels: Channels,
    snapshots: Snapshots,
    bounds: Mapping[str, Retention],
) -> Retainer | None:
    if store is None or keeping is None:
        return None
    fold, lock = snapshots.fold_before, snapshots.folding
    return Retainer(store, keeping.journal, channels, bounds, fold_before=fold, folding=lock)


def make_compactor(
    config: Config, channels: Channels, feeds: Feeds, snapshots: Snapshots, keeping: Keeping | None
) -> Compactor | None:
    """None where nothing is kept: what is in memory goes by its retention alone."""
    if keeping is None:
        return None
    options = CompactorOptions(config.store.compact_seconds)
    return Compactor(channels, snapshots, keeping.journal, options, take_in=feeds.take_in)


async def take_up(store: Store, channels: Channels) -> None:
    """All topics that are kept go on where they ended. Raises actors.store.StoreError."""
    for topic in await store.topics():
        channels.take_up(topic)
