"""What the engine's database holds, read as any program would."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.event_slot import event_slots
from tests.kill9.checker import Kept

_EVENTS = "SELECT offset, type, body, slot FROM event WHERE slot > ? AND slot <= ? ORDER BY slot"
Say = Callable[[str, str, Any], str]
"""Channel, type and data of an event, as the clients write it into their records."""


def read_database(path: Path, say: Say) -> dict[str, Kept]:
    """All topics but the feeds, of which the oldest events go: as `channel/topic`. Raises AssertionError where the
    offsets of one are not dense from 1."""
    db = sqlite3.connect(path)
    try:
        topics = db.execute("SELECT id, channel, topic, epoch FROM topic WHERE channel <> 'feed'").fetchall()
        return {
            f"{channel}/{topic}": Kept(epoch, _events(db, number, channel, say))
            for number, channel, topic, epoch in topics
        }
    finally:
        db.close()


def _events(db: sqlite3.Connection, topic: int, channel: str, say: Say) -> tuple[str, ...]:
    rows = db.execute(_EVENTS, event_slots(topic)).fetchall()
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1)), f"topic {topic}: its offsets are not dense"
    return tuple(say(channel, kind, json.loads(body)) for _, kind, body, _ in rows)
