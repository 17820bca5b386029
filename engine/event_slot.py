"""Where an event stands in SQLite's table: topic and offset in one number, the rowid.

A topic's events lie side by side then, in their order, as they would under a primary key of both. But a table without
rowids puts what is larger than a quarter of a page on pages of its own, and one with them only what is larger than all
of a page.
"""

from __future__ import annotations

from actors.store import StoreError

_OFFSET_BITS = 36
MAX_OFFSET = (1 << _OFFSET_BITS) - 1
"""69 thousand million: of a topic with a thousand events a second, two years of them."""
MAX_TOPIC = (1 << 63 - _OFFSET_BITS) - 1
"""134 million: of a store in which a topic is opened each second, four years of them."""
TOPIC_OF_SLOT = f"slot >> {_OFFSET_BITS}"
OFFSET_OF_SLOT = f"slot & {MAX_OFFSET}"
_SLOTS = "slot BETWEEN (topic.id << {bits}) + {after} + 1 AND (topic.id << {bits}) + {last}"
ABOVE_FLOOR = _SLOTS.format(bits=_OFFSET_BITS, after="topic.floor", last=MAX_OFFSET)
"""SQL, where a row of `topic` is at hand: its events that are kept."""


def event_slot(topic: int, offset: int) -> int:
    """Offsets begin at 1. Of a topic whose id was checked. Raises StoreError for an offset beyond the bounds: it would
    be another topic's event."""
    if not 0 < offset <= MAX_OFFSET:
        raise StoreError(f"a topic has offsets from 1 to {MAX_OFFSET}, and none that is {offset}")
    return topic << _OFFSET_BITS | offset


def topic_of(slot: int) -> int:
    return slot >> _OFFSET_BITS


def check_topic_id(topic: int) -> None:
    """Raises StoreError."""
    if not 0 < topic <= MAX_TOPIC:
        raise StoreError(f"the store has had {MAX_TOPIC} topics, and can have no more")


def event_slots(topic: int, after: int = 0, upto: int = MAX_OFFSET) -> tuple[int, int]:
    """For `slot > ? AND slot <= ?`: a topic's events behind the one offset, up to the other. Of offsets that no event
    can have, nothing is found."""
    first = topic << _OFFSET_BITS
    return first + min(max(after, 0), MAX_OFFSET), first + min(upto, MAX_OFFSET)
