"""Events on the disk in the order in which they came, on their way to their places beside those of their topics.

A commit in which five hundred topics say a word each would change five hundred pages of the table of events. Here it
changes some few; later each topic's share of some ten thousand events is moved at once, and changes a page or two.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import orjson

from actors.log import EVENT_OVERHEAD
from actors.store import StoreError
from engine.event_slot import MAX_OFFSET, OFFSET_OF_SLOT, event_slots, topic_of

GENERATION_EVENTS = 16_384
GENERATION_BYTES = 4 << 20
"""Once so much has come it is moved: of the topics that say most, each has some ten events or more by then."""
PIECE_EVENTS = 512
"""Moved in one transaction that does nothing else."""
_LARGE_BYTES = 2048
"""What a commit adds to one topic goes to its place at once where it is half a page: written twice it would cost more
than the page that it changes."""
_ROW_BYTES = 48
"""Of a row beside its body."""
_MOVED_FOR_EACH = 2
_DROPPED_FOR_EACH = 4
"""Events that a commit moves for each one that it adds, and rows that it drops once all are moved: a generation is gone
before the next one is full."""


def _insert(table: str, columns: int) -> Mapping[int, str]:
    """Statements that add several rows, or one, by how many values they take.

    Each one gives Python's lock up and has to get it back from a busy main thread. Of more than eight rows a statement
    costs more than it saves."""
    row = f"({', '.join('?' * columns)})"
    return {rows * columns: f"INSERT INTO {table} VALUES {', '.join([row] * rows)}" for rows in (8, 1)}  # noqa: S608  # constants


_ADD = _insert("recent", 8)
_PLACE = _insert("event", 7)
_EVENT = "slot, timestamp, start, merge, merge_key, recent.type, body"
_LOAD = "SELECT id, slot FROM recent ORDER BY id"
# What is there already was moved before the process fell.
_MOVE = f"""
INSERT OR IGNORE INTO event SELECT {_EVENT} FROM json_each(?) AS moved CROSS JOIN recent ON recent.id = moved.value
"""  # noqa: S608  # a constant
_PAGE = f"""
SELECT {OFFSET_OF_SLOT}, recent.type, body, merge, merge_key, timestamp
FROM json_each(?) AS wanted CROSS JOIN recent ON recent.id = wanted.value
"""  # noqa: S608  # a constant
_END = f"""
SELECT start + length(body) + {EVENT_OVERHEAD}, {OFFSET_OF_SLOT} FROM recent WHERE id = ?
"""  # noqa: S608  # a constant
_DROP = "DELETE FROM recent WHERE id IN (SELECT value FROM json_each(?))"
_DROP_FIRST = "DELETE FROM recent WHERE id <= ?"
Row: TypeAlias = tuple[int, int, int, int, str, str, bytes]
"""Slot, timestamp, start, merge, merge key, type and body."""
KeptRow: TypeAlias = tuple[int, str, bytes, int, str, int]
"""Offset, type, body, merge, merge key and timestamp."""


class _Rows:
    """Those of one topic, in their order."""

    __slots__ = ("ids", "slots")

    def __init__(self, ids: list[int], slots: list[int]) -> None:
        self.ids = ids
        self.slots = slots


class _Generation:
    """Rows that are moved topic by topic, and after the last of them dropped in the order in which they came."""

    __slots__ = ("_at", "_begun", "_dropped", "_order", "bytes", "events", "last", "topics")

    def __init__(self) -> None:
        self.topics: dict[int, _Rows] = {}
        self.events = 0
        self.bytes = 0
        self.last = 0
        """The id of the newest."""
        self._order: list[int] = []
        """The topics, those to be moved from `_at` on."""
        self._at = 0
        self._begun = 0
        """How many rows of that topic are moved."""
        self._dropped = 0
        """The ids up to there are."""

    def add(self, first_id: int, slots: Sequence[int], size: int) -> None:
        """Rows with this id and those that follow, whose bodies come to `size`."""
        if not self.events:
            self._dropped = first_id - 1
        topics = self.topics
        for row_id, slot in enumerate(slots, first_id):
            of_topic = topics.get(topic := topic_of(slot))
            if of_topic is None:
                of_topic = topics[topic] = _Rows([], [])
            of_topic.ids.append(row_id)
            of_topic.slots.append(slot)
        self.events += len(slots)
        self.bytes += size
        self.last = first_id + len(slots) - 1

    def close(self) -> None:
        """Nothing is added from now on, and all is to be moved."""
        self._order = list(self.topics)

    def next_piece(self, events: int) -> list[int]:
        """The ids of those that are moved next."""
        ids: list[int] = []
        while self._at < len(self._order) and len(ids) < events:
            rows = self.topics.get(self._order[self._at])
            piece = [] if rows is None else rows.ids[self._begun : self._begun + events - len(ids)]
            ids += piece
            self._begun += len(piece)
            if rows is None or self._begun == len(rows.ids):
                self._at, self._begun = self._at + 1, 0
        return ids

    def drop_first(self, events: int) -> int:
        """The highest id of those that are dropped next."""
        self._dropped = min(self._dropped + events, self.last)
        return self._dropped

    @property
    def is_dropped(self) -> bool:
        return self._dropped == self.last

    def drop_topic(self, topic: int, slot: int) -> list[int]:
        """The ids of its rows up to that slot, of which nothing is known any more."""
        rows = self.topics.get(topic)
        if rows is None:
            return []
        count = bisect_right(rows.slots, slot)
        if self._at < len(self._order) and self._order[self._at] == topic:
            self._begun = max(0, self._begun - count)
        ids = rows.ids[:count]
        if count < len(rows.ids):
            # Not changed in its place: another thread may read it.
            self.topics[topic] = _Rows(rows.ids[count:], rows.slots[count:])
        else:
            del self.topics[topic]
        return ids


class RecentEvents:
    """The table `recent`, with the places of its rows in memory. What is much of one topic passes by it.

    All but `ids_after` is for the thread that writes, within its transaction; `keep` or `undo` says what became of it.
    Of a topic the events in the table `event` come first, and those here follow.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        """Raises sqlite3.Error."""
        self._db = db
        self._next = 1
        self._generations: tuple[_Generation, _Generation] = (_Generation(), _Generation())
        """The one that is moved, and the one that grows."""
        self._ends = False
        """The last one of the first generation is dropped in this transaction."""
        self._is_known = False
        self._load()

    def begin(self) -> None:
        """Ahead of a transaction. Raises sqlite3.Error."""
        if not self._is_known:
            self._load()

    def add(self, rows: Sequence[Row]) -> None:
        """Those of each topic in order, and side by side. Raises sqlite3.Error."""
        small: list[Row] = []
        end = 0
        while end < len(rows):
            begin, topic, size = end, topic_of(rows[end][0]), 0
            while end < len(rows) and topic_of(rows[end][0]) == topic:
                size += len(rows[end][-1]) + _ROW_BYTES
                end += 1
            if size < _LARGE_BYTES:
                small += rows[begin:end]
            else:
                self._append(small)
                small = []
                self.move_topic(topic)
                self._execute(_PLACE, [value for row in rows[begin:end] for value in row])
        self._append(small)

    def move_for(self, added: int) -> None:
        """Moves as much as so many events are to move beside them. Raises sqlite3.Error."""
        moving, growing = self._generations
        if moving.events or growing.events >= GENERATION_EVENTS or growing.bytes >= GENERATION_BYTES:
            self.move(_MOVED_FOR_EACH * added)

    def move(self, events: int) -> bool:
        """Moves up to so many. Returns whether there are more. Raises sqlite3.Error."""
        moving, growing = self._generations
        if not moving.events and not growing.events:
            return False
        if not moving.events:
            moving, growing = self._generations = growing, _Generation()
            moving.close()
        if ids := moving.next_piece(events):
            self._db.execute(_MOVE, (orjson.dumps(ids).decode(),))
        else:
            self._db.execute(_DROP_FIRST, (moving.drop_first(events * _DROPPED_FOR_EACH // _MOVED_FOR_EACH),))
            self._ends = moving.is_dropped
        return bool(growing.events) or not self._ends

    def move_topic(self, topic: int) -> None:
        """Moves all of the topic's. Raises sqlite3.Error."""
        _, last = event_slots(topic)
        self._drop(topic, last, moves=True)

    def drop(self, topic: int, upto: int = MAX_OFFSET) -> None:
        """The topic's events up to that offset go nowhere. That takes no room. Raises sqlite3.Error."""
        _, last = event_slots(topic, upto=upto)
        self._drop(topic, last, moves=False)

    def end_of(self, topic: int) -> tuple[int, int] | None:
        """The size of all events that the topic has had, and the offset of the last one; None where none is here.
        Raises sqlite3.Error."""
        for generation in reversed(self._generations):
            if (rows := generation.topics.get(topic)) is not None:
                end: tuple[int, int] = self._db.execute(_END, (rows.ids[-1],)).fetchone()
                return end
        return None

    def keep(self) -> None:
        """The transaction is committed."""
        if self._ends:
            # Not before: what was moved is here for who reads meanwhile, or else there.
            self._generations = _Generation(), self._generations[1]
            self._ends = False

    def undo(self) -> None:
        """Nothing of the transaction was kept."""
        try:
            self._load()
        except sqlite3.Error:
            self._is_known = False

    def ids_after(self, topic: int, slot: int, most: int) -> list[int]:
        """The rows of the topic's events behind that slot, in order, so many at most. For any thread; they are to be
        read in a transaction that begins later. Raises StoreError."""
        if not self._is_known:
            raise StoreError("the database could not be read")
        ids: list[int] = []
        for generation in self._generations:
            if (rows := generation.topics.get(topic)) is not None:
                first = bisect_right(rows.slots, slot)
                ids += rows.ids[first : first + most - len(ids)]
        return ids

    def _append(self, rows: Sequence[Row]) -> None:
        if rows:
            first_id = self._next
            self._next += len(rows)
            self._generations[1].add(first_id, [row[0] for row in rows], sum(len(row[-1]) for row in rows))
            self._execute(_ADD, [value for row_id, row in enumerate(rows, first_id) for value in (row_id, *row)])

    def _execute(self, statements: Mapping[int, str], values: Sequence[int | str | bytes]) -> None:
        done = 0
        for size, statement in statements.items():
            while len(values) - done >= size:
                self._db.execute(statement, values[done : done + size])
                done += size

    def _drop(self, topic: int, slot: int, *, moves: bool) -> None:
        ids = [each for generation in self._generations for each in generation.drop_topic(topic, slot)]
        if ids:
            rows = (orjson.dumps(ids).decode(),)
            if moves:
                self._db.execute(_MOVE, rows)
            self._db.execute(_DROP, rows)

    def _load(self) -> None:
        """All that is there is to be moved."""
        moving = _Generation()
        for row_id, slot in self._db.execute(_LOAD):
            moving.add(row_id, (slot,), 0)
        moving.close()
        self._generations = moving, _Generation()
        self._next = moving.last + 1
        self._ends = False
        self._is_known = True


def read_rows(db: sqlite3.Connection, ids: Sequence[int]) -> list[KeptRow]:
    """Of those rows the ones that are there. Raises sqlite3.Error."""
    return db.execute(_PAGE, (orjson.dumps(ids).decode(),)).fetchall()
