"""SQL for the first and the last kept event of each topic, where a row of `topic` is at hand.

Of the view `event` that would be asked in vain: SQLite 3.40 does not look up in its tables what depends on another row,
and reads all of them for each topic.
"""

from __future__ import annotations

from engine.event_slot import ABOVE_FLOOR
from engine.recent_events import NOT_MOVED

_SETTLED = f"FROM settled WHERE {ABOVE_FLOOR}"
_RECENT = f"FROM recent WHERE {ABOVE_FLOOR} AND ({NOT_MOVED})"


def first_kept(column: str) -> str:
    """An expression: of the topic's first event that is kept, or NULL."""
    return _first_of(f"SELECT {column} {_SETTLED} ORDER BY slot", f"SELECT {column} {_RECENT} ORDER BY slot")


def last_kept(column: str) -> str:
    """An expression: of the topic's last event that is kept, or NULL."""
    return _first_of(f"SELECT {column} {_RECENT} ORDER BY slot DESC", f"SELECT {column} {_SETTLED} ORDER BY slot DESC")


def _first_of(*queries: str) -> str:
    return f"coalesce({', '.join(f'({query} LIMIT 1)' for query in queries)})"
