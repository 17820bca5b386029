"""Events on the disk in the order in which they came, on their way to the others of their topics.

A commit in which five hundred topics say a word each would change five hundred pages of the table `settled`. Here it
changes some few; later each topic's share of some ten thousand events is moved at once, and changes a page or two.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from engine.event_slot import event_slots, topic_of

NOT_MOVED = "id > (SELECT last FROM moving) OR slot > (SELECT upto FROM moving)"
"""SQL, of a row of `recent`: it is the only one of its event."""
EVENT_TABLES = ("settled", "recent")
"""Where an event is to be changed or deleted: while it is moved it is in both."""
GENERATION_EVENTS = 16_384
GENERATION_BYTES = 4 << 20
"""Once so much has come it is moved: of the topics that say most, each has some ten events or more by then."""
_MOVED_FOR_EACH = 3
_DROPPED_FOR_EACH = 12
"""Events that commits move for each one that they add, and rows that they drop once all are moved: a generation is gone
before the next one is full, and no commit takes much longer than another."""
_STEP_EVENTS = 64
"""Added before something is moved: each statement of a small commit may have to wait for Python's lock."""
_LARGE_BYTES = 2_048
"""What a commit adds to one topic goes to its place at once where it is half a page and nothing of the topic is recent:
written twice it would cost more than the page that it changes."""
_ROW_BYTES = 48
"""Of a row beside its body."""
_ALL = (1 << 63) - 1
"""Behind every slot."""


def _insert(table: str, columns: int) -> Mapping[int, str]:
    """Statements that add several rows, or one, by how many values they take.

    Each one gives Python's lock up and has to get it back from a busy main thread. Of more than eight rows a statement
    costs more than it saves."""
    row = f"({', '.join('?' * columns)})"
    return {rows * columns: f"INSERT INTO {table} VALUES {', '.join([row] * rows)}" for rows in (8, 1)}  # noqa: S608  # constants


_ADD = _insert("recent", 8)
_PLACE = _insert("settled", 7)
_MOVE = """
INSERT INTO settled SELECT slot, timestamp, start, merge, merge_key, type, body
FROM recent WHERE id <= ? AND slot > ? AND slot <= ? ORDER BY slot
"""
_IS_RECENT = "SELECT EXISTS (SELECT 1 FROM recent WHERE slot > ? AND slot <= ?)"
_END_OF_PIECE = """
SELECT max(slot) FROM (SELECT slot FROM recent WHERE id <= ? AND slot > ? ORDER BY slot LIMIT ?)
"""
_LOAD = """
SELECT last, upto, max(last, (SELECT coalesce(max(id), 0) FROM recent)),
    (SELECT count(*) FROM recent WHERE id > last),
    (SELECT coalesce(sum(length(body)), 0) FROM recent WHERE id > last)
FROM moving
"""
Row: TypeAlias = tuple[int, int, int, int, str, str, bytes]
"""Slot, timestamp, start, merge, merge key, type and body."""


class RecentEvents:
    """The table `recent`, for the connection that writes, within its transactions.

    What has come up to a moment is a generation. It is moved in the order of its topics, and only when all of it is
    moved its rows go, in the order in which they came: by either few pages change. Meanwhile the table `moving` says
    how far that has come, so that the view `event` shows each event once. Of each topic what is in `settled` comes
    before what is only here. Whoever changes or deletes events does so in both tables.

    All that counts is in the file: what is held here of it can be read again, and is after each transaction that
    failed. `undo` is to be called after such a one. Methods raise sqlite3.Error.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._is_known = False
        self._last = 0
        """The id of the generation's newest row; 0 while nothing is moved."""
        self._upto = 0
        """The slot of its last event that is moved."""
        self._newest = 0
        """The highest id that was given to a row. None is given twice while one could be taken for the other."""
        self._events = 0
        self._bytes = 0
        """What has come since the generation was closed."""
        self._has_moved = False
        """In this transaction, or has tried to."""
        self._rest = 0
        """So many events come before the next one is moved."""
        self._owed = 0
        """What has come since something was moved."""

    def begin(self) -> None:
        """Ahead of a transaction."""
        if not self._is_known:
            self._last, self._upto, self._newest, self._events, self._bytes = self._db.execute(_LOAD).fetchone()
            self._is_known = True
        self._has_moved = False

    def undo(self) -> None:
        """Nothing of the transaction was kept. Where that may be for want of room to move, what comes has it for
        itself."""
        self._is_known = False
        if self._has_moved:
            self._rest = GENERATION_EVENTS

    def add(self, rows: Sequence[Row]) -> None:
        """Those of each topic in order. Then moves as much as is due for so many."""
        waiting: list[Row] = []
        end = 0
        while end < len(rows):
            begin, topic, size = end, topic_of(rows[end][0]), 0
            while end < len(rows) and topic_of(rows[end][0]) == topic:
                size += len(rows[end][-1]) + _ROW_BYTES
                end += 1
            if size >= _LARGE_BYTES:
                self._append(waiting)
                waiting = []
                if not self._is_recent(topic):
                    self._execute(_PLACE, [value for row in rows[begin:end] for value in row])
                    continue
            waiting += rows[begin:end]
        self._append(waiting)
        self._move_for(len(rows))

    @property
    def is_moving(self) -> bool:
        """Whether a generation is neither moved nor dropped whole."""
        return self._last != 0

    def go_on(self, events: int) -> None:
        """Moves so many events of the generation under way, or drops rows of it. Only while `is_moving`."""
        self._has_moved = True
        if self._upto != _ALL:
            self._move(events)
        else:
            self._drop_moved(events * _DROPPED_FOR_EACH // _MOVED_FOR_EACH)
        self._db.execute("UPDATE moving SET last = ?, upto = ?", (self._last, self._upto))

    def _is_recent(self, topic: int) -> bool:
        (found,) = self._db.execute(_IS_RECENT, event_slots(topic)).fetchone()
        return bool(found)

    def _append(self, rows: Sequence[Row]) -> None:
        first = self._newest + 1
        self._newest += len(rows)
        self._events += len(rows)
        self._bytes += sum(len(row[-1]) for row in rows)
        self._execute(_ADD, [value for row_id, row in enumerate(rows, first) for value in (row_id, *row)])

    def _execute(self, statements: Mapping[int, str], values: Sequence[int | str | bytes]) -> None:
        done = 0
        for size, statement in statements.items():
            while len(values) - done >= size:
                self._db.execute(statement, values[done : done + size])
                done += size

    def _move_for(self, added: int) -> None:
        if self._rest > 0:
            self._rest -= added
            return
        if self.is_moving:
            self._owed += added
        elif self._events >= GENERATION_EVENTS or self._bytes >= GENERATION_BYTES:
            # Begun at once, so that the file says so too.
            self._last, self._upto, self._events, self._bytes = self._newest, 0, 0, 0
            self._owed = max(added, _STEP_EVENTS)
        if self.is_moving and self._owed >= _STEP_EVENTS:
            self.go_on(_MOVED_FOR_EACH * self._owed)
            self._owed = 0

    def _move(self, events: int) -> None:
        (upto,) = self._db.execute(_END_OF_PIECE, (self._last, self._upto, events)).fetchone()
        if upto is None:
            self._upto = _ALL
        else:
            self._db.execute(_MOVE, (self._last, self._upto, upto))
            self._upto = upto

    def _drop_moved(self, rows: int) -> None:
        (first,) = self._db.execute("SELECT min(id) FROM recent WHERE id <= ?", (self._last,)).fetchone()
        end = self._last if first is None else min(first + rows - 1, self._last)
        self._db.execute("DELETE FROM recent WHERE id <= ?", (end,))
        if end == self._last:
            self._last = self._upto = 0
