"""Defects that the checker has to find: each is put into the engine, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from unittest.mock import patch

from actors.channel import Channel
from actors.event import Event
from actors.feed_record import FeedRecord
from actors.journal import Journal
from actors.journal_batch import Batch
from actors.journal_entries import Entry
from actors.kept_channel import KeptChannel
from actors.log import Log
from actors.outbox import Outbox
from actors.position import Position
from actors.resumption import Resumption
from actors.store import Record
from actors.subscription import Subscription
from tests.simulation.disk import Disk
from transport.dialects.gateway_replies import WebSocketEncoder

_deliver = KeptChannel.deliver
_catch_up = Outbox._catch_up
_read = Log.read
_resume = Log.resume
_refuse = Journal._refuse
_resume_at = Log.resume_at
_encode = WebSocketEncoder.encode


class _AnswersAtOnce(Batch):
    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__(entries)
        self.answer()


class _DeliversAtOnce(Batch):
    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__(entries)
        for topic, delivery in self.deliveries.items():
            topic.deliver(delivery.events, delivery.entries)
        self.deliveries = {}


class _KeepsTwice(Batch):
    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__([*entries, *entries[-1:]])


def _deliver_less(channel: KeptChannel, events: Sequence[Event], entries: int) -> None:
    _deliver(channel, events[1:] or events, entries)


def _skip_to_the_end(outbox: Outbox, subscription: Subscription) -> bytes | Subscription:
    subscription.offset = max(subscription.offset, subscription.log.tail - 1)
    return _catch_up(outbox, subscription)


def _read_again(log: Log, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
    events = _read(log, after, max_events=max_events, max_bytes=max_bytes)
    return [*_read(log, after - 1, max_events=1, max_bytes=0), *events] if after and events else events


async def _page_past_the_tail(log: Log, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
    if log._pages is None or not log.is_cold(after):
        return log.read(after, max_events=max_events, max_bytes=max_bytes)
    return await log._pages.read(log.key, after, max_events=max_events, max_bytes=max_bytes)


def _encode_no_gap(frames: WebSocketEncoder, event: Event) -> bytes:
    return b"" if event.event_type == "gap" else _encode(frames, event)


def _resume_in_any_epoch(log: Log, since: Position | None) -> Resumption:
    return _resume(log, since and Position(log.epoch, min(since.offset, log.tail)))


def _renew_nothing(disk: Disk) -> None:
    """The epochs stay."""


def _lose_what_waits(journal: Journal, failure: str) -> None:
    _refuse(journal, failure)
    journal._gathered = []


def _keep_what_is_refused(journal: Journal, failure: str) -> None:
    gathered = journal._gathered
    _refuse(journal, failure)
    journal._gathered = gathered


def _start_nothing(channel: Channel) -> None:
    """The crash of a topic's actor is its end."""


def _forget_what_was_read(record: FeedRecord, parts: Mapping[str, bytes | None]) -> tuple[Record, ...]:
    """How far the sources were read is not kept."""
    return ()


def _from_now_on(log: Log, number: int) -> Resumption:
    return _resume_at(log, number or log.newest)


MUTATIONS: Mapping[str, Callable[[], AbstractContextManager[object]]] = {
    "acknowledge before the commit": partial(patch, "actors.journal.Batch", _AnswersAtOnce),
    "deliver before the commit": partial(patch, "actors.journal.Batch", _DeliversAtOnce),
    "keep an event twice": partial(patch, "actors.journal.Batch", _KeepsTwice),
    "deliver less than is kept": partial(patch.object, KeptChannel, "deliver", _deliver_less),
    "skip what a client lags behind": partial(patch.object, Outbox, "_catch_up", _skip_to_the_end),
    "read an event again": partial(patch.object, Log, "read", _read_again),
    "read pages past the tail": partial(patch.object, Log, "page", _page_past_the_tail),
    "swallow a gap": partial(patch.object, WebSocketEncoder, "encode", _encode_no_gap),
    "swallow a change of epoch": partial(patch.object, Log, "resume", _resume_in_any_epoch),
    "keep the epoch after a loss": partial(patch.object, Disk, "_renew", _renew_nothing),
    "lose what waits where the disk fails": partial(patch.object, Journal, "_refuse", _lose_what_waits),
    "keep what was refused": partial(patch.object, Journal, "_refuse", _keep_what_is_refused),
    "leave a topic without its actor": partial(patch.object, Channel, "start", _start_nothing),
    "tell again what a feed has told": partial(patch.object, FeedRecord, "changes", _forget_what_was_read),
    "leave out what a channel has had": partial(patch.object, Log, "resume_at", _from_now_on),
}
