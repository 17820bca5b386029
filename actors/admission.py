"""What a subscription will start with: decided before the reply that tells it, entered after."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from actors.commands import Start
from actors.event import ChannelKey, Event, now_ms
from actors.forgotten import Former
from actors.position import Position
from actors.principal import Principal
from actors.resumption import Gap, Resumption, gap_event
from actors.router import Router
from actors.subscription import Subscription

WHOLE = "*"
"""Stands for all of a channel's topics where a topic is named. None can have this name."""
_MOST_GONE = 1_000
"""Topics that are no more of which each is told a gap of its own."""


class Admission(msgspec.Struct, frozen=True):
    """What a subscription will start with, for the reply that goes before it.

    The one to the topic WHOLE is that to all topics of the channel that have no admission of their own: its start is
    a mark, a number of events in all topics.
    """

    key: ChannelKey
    epoch: str
    start: Resumption
    first: tuple[Event, ...]
    """What is told before anything else: a snapshot, behind the gap that it makes up for, questions that are open, and
    what is lost of topics that are no more."""
    named: bool
    live: bool
    """Asked for what comes, without a position: a topic that is held already goes on where it is."""
    snapshot: bool = False
    """One is told first, in place of all before the start."""
    over: bool = False
    """The topic is no more, and its client has seen it to its end."""

    @property
    def recovered(self) -> bool:
        # Mostly nothing is told first, and to find that out costs less than to look for a gap in it.
        return self.start.is_whole and not (self.first and any(event.event_type == "gap" for event in self.first))


def admit(router: Router, key: ChannelKey, start: Start, *, named: bool, snapshot: Event | None = None) -> Admission:
    """With the snapshot where it was asked for without a position, or where events after that are missing."""
    begin = router.start_of(key, start)
    if snapshot is None or (start != "live" and begin.is_whole):
        return admit_at(router, key, begin, named=named, live=start == "live")
    log = router.log(key)
    place = Resumption(snapshot.offset, None, snapshot.offset < log.holes)
    admission = admit_at(router, key, place, named=named, live=start == "live")
    gap = log.gap_of(begin)
    told = (snapshot,) if gap is None else (log.gap_event(gap, snapshot.offset), snapshot)
    return msgspec.structs.replace(admission, first=(*told, *admission.first), snapshot=True)


def admit_at(router: Router, key: ChannelKey, begin: Resumption, *, named: bool, live: bool) -> Admission:
    # Asked again in the place where the reader starts, so that a client's position never goes back.
    questions = tuple(
        msgspec.structs.replace(event, first=begin.offset, offset=begin.offset)
        for event in router.open_questions(key)
        if event.offset <= begin.offset
    )
    return Admission(key, router.log(key).epoch, begin, questions, named, live)


def admit_to_all(router: Router, principal: Principal, channel: str, starts: Mapping[str, Start]) -> Admission:
    """To the topics of a channel that `starts` does not name: from the mark that it has for WHOLE, or from now on."""
    marks = router.channels.marks
    start = starts.get(WHOLE, "live")
    gone: list[Former] = []
    match start:
        case "live":
            begin = Resumption(marks.now.offset, None)
        case "oldest":
            begin = Resumption(0, None)
        case Position():
            begin = marks.resume(start)
            found = marks.forgotten.since(begin.offset, channel, principal.sight)
            gone = [each for each in found if each.key.topic not in starts and router.sees(principal, each.key)]
    if len(gone) > _MOST_GONE:
        newest = max(former.number for former in gone)
        begin, gone = Resumption(begin.offset, Gap(marks.now.epoch, begin.offset + 1, newest, "retention")), []
    key = ChannelKey(channel, WHOLE)
    lost = [gap_event(key, begin.gap, begin.offset, now_ms())] if begin.gap is not None else []
    lost += [former.gap_event(now_ms()) for former in gone]
    return Admission(key, marks.now.epoch, begin, tuple(lost), named=False, live=start == "live")


def admit_to_end(router: Router, principal: Principal, channel: str, topic: str, start: Start) -> Admission | None:
    """To a topic that is no more, if nothing of it was missed."""
    if not isinstance(start, Position):
        return None
    former = router.channels.marks.forgotten.ended_at(channel, topic, start)
    if former is None or not principal.sees(former.key.owner):
        return None
    return Admission(former.key, start.epoch, Resumption(start.offset, None), (), named=False, live=False, over=True)


def held(subscription: Subscription, *, named: bool) -> Admission:
    """To a topic that is held already, where that stands. To take it up at the tail would lose what lags behind."""
    log = subscription.log
    begin = Resumption(subscription.offset, subscription.gap)
    return Admission(log.key, log.epoch, begin, (), named=named, live=True)


def standing(subscription: Subscription) -> Admission:
    """Where one stands that lags behind: before its gap, where that is yet to be told."""
    gap, log = subscription.gap, subscription.log
    offset = subscription.offset if gap is None else gap.first - 1
    return Admission(log.key, log.epoch, Resumption(offset, None), (), named=False, live=True)
