"""The logs of topics that nobody uses now."""

from __future__ import annotations

from collections.abc import Iterator

from actors.event import ChannelKey
from actors.groups import Groups
from actors.log import Log


class Shelf:
    """In the order in which they were put there, and by channel and owner."""

    def __init__(self) -> None:
        self._logs: dict[ChannelKey, Log] = {}
        self._keys: Groups[tuple[str, str], ChannelKey] = Groups()

    def __len__(self) -> int:
        return len(self._logs)

    def __contains__(self, key: ChannelKey) -> bool:
        return key in self._logs

    def __iter__(self) -> Iterator[ChannelKey]:
        return iter(self._logs)

    def put(self, log: Log) -> None:
        key = log.key
        self._logs[key] = log
        self._keys.add((key.channel, key.owner), key)

    def take(self, key: ChannelKey) -> Log | None:
        log = self._logs.pop(key, None)
        if log is not None:
            self._keys.discard((key.channel, key.owner), key)
        return log

    def get(self, key: ChannelKey) -> Log | None:
        """The log, which stays there."""
        return self._logs.get(key)

    def logs(self) -> tuple[Log, ...]:
        return tuple(self._logs.values())

    @property
    def keys(self) -> Groups[tuple[str, str], ChannelKey]:
        """By channel and owner."""
        return self._keys
