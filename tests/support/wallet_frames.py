"""What a wallet is told of events: the frames of its projection."""

from __future__ import annotations

import json
from typing import Any

from actors.event import ChannelKey, Json, draft
from actors.log import Log
from actors.retention import Retention
from transport.dialects.wallet_projection import WalletProjection

TASK = ChannelKey("task", "t1", "w")
SESSION = ChannelKey("session", "s1", "w")
NEWS = ChannelKey("system", "tasks", "w")
AT = 1_700_000_000_000


class Told:
    """A projection, its sources, and what it has said."""

    def __init__(self, since: int = 0) -> None:
        self.projection = WalletProjection(since)
        self.frames: list[dict[str, Any]] = []
        self._at = AT
        self._logs = {key: Log(key, Retention()) for key in (TASK, SESSION, NEWS)}

    def event(self, key: ChannelKey, event_type: str, data: Json, *, now: float = 0.0, merge_key: str = "") -> None:
        event = self._logs[key].append(draft(event_type, data, merge_key=merge_key, timestamp=self._at))
        self._take(self.projection.project(event, now))

    def task(self, event_type: str, data: Json = None, *, now: float = 0.0, merge_key: str = "") -> None:
        self.event(TASK, event_type, data, now=now, merge_key=merge_key)

    def later(self) -> None:
        """What follows is of a second later."""
        self._at += 1000

    def flush(self, now: float) -> None:
        self._take(self.projection.flush(now))

    def _take(self, drafts: Any) -> None:
        for one in drafts:
            frame = json.loads(one.body)
            assert frame["type"] == one.event_type
            self.frames.append(frame)

    @property
    def states(self) -> list[str]:
        return [frame["task"]["status"]["state"] for frame in self.frames if frame["type"] == "task_update"]


def texts(task: dict[str, Any], role: str) -> list[str]:
    return [part["text"] for entry in task["history"] if entry["role"] == role for part in entry["parts"]]
