"""The idempotency keys of what was posted of a task. Plain: no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from actors.kept_task import REMEMBERED_POSTS, post_record
from actors.store import Record
from actors.task_record import TaskRecord


class PostKeys:
    """The newest REMEMBERED_POSTS of them; each is kept in the place of the one that it drives out."""

    def __init__(self, record: TaskRecord) -> None:
        self._record = record
        self._keys: deque[str] = deque(maxlen=REMEMBERED_POSTS)

    def __contains__(self, key: str | None) -> bool:
        return key is not None and key in self._keys

    def take_up(self, kept: Sequence[str]) -> None:
        """Those of an earlier life of the engine, in the order of their places."""
        oldest = self._record.posts % REMEMBERED_POSTS if len(kept) == REMEMBERED_POSTS else 0
        self._keys.extend([*kept[oldest:], *kept[:oldest]])

    def note(self, key: str | None) -> tuple[Record, ...]:
        """From now on the post is known by its key, if it has one. Returns what is to be kept with it."""
        if key is None:
            return ()
        self._keys.append(key)
        noted = post_record(self._record, key)
        self._record.posts += 1
        return (noted,)
