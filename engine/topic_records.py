"""Which records belong to a task or conversation."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from actors.event import ChannelKey
from actors.kept_session import MESSAGE_RECORDS, SESSION_RECORDS
from actors.kept_task import POST_RECORDS, TASK_RECORDS, TURN_RECORDS
from actors.snapshot_base import BASE, base_id

OWN: Mapping[str, str] = {"task": TASK_RECORDS, "session": SESSION_RECORDS}
"""By channel, the kind of the one record that has the topic's own name."""
PARTS: Mapping[str, tuple[str, ...]] = {"task": (TURN_RECORDS, POST_RECORDS), "session": (MESSAGE_RECORDS,)}
"""By channel, the kinds of those whose ids are that name, a slash and a number."""
_FIND = "SELECT kind, id, body FROM record WHERE kind = ? AND id = ?"
_FIND_PARTS = "SELECT kind, id, body FROM record WHERE kind = ? AND id > ? AND id < ? ORDER BY id"


def records_of(db: sqlite3.Connection, channel: str, name: str) -> list[tuple[str, str, bytes]]:
    """Kind, id and body of all that is kept of a task or session beside its events. Raises sqlite3.Error."""
    found = db.execute(_FIND, (OWN[channel], name)).fetchall()
    for kind in PARTS[channel]:
        # "0" comes right behind "/".
        found += db.execute(_FIND_PARTS, (kind, f"{name}/", f"{name}0"))
    found += db.execute(_FIND, (BASE, base_id(ChannelKey(channel, name))))
    return found
