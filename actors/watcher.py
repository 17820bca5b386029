"""Who reads a topic from inside the engine."""

from __future__ import annotations

from typing import Protocol

from actors.event import ChannelKey


class Watcher(Protocol):
    """Somebody inside the engine who reads the topic's log by itself."""

    @property
    def is_heard(self) -> bool:
        """Whether what it makes of the topic reaches somebody now."""
        ...

    def notice(self, key: ChannelKey) -> None:
        """Something was appended. Never blocks, never fails."""
        ...
