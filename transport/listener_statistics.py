"""What the listener counts."""

from __future__ import annotations

from collections import Counter

import msgspec

from transport.head import HeadFault


class ListenerStatistics(msgspec.Struct, frozen=True):
    """Totals since the start, but `open`, which is now."""

    accepted: int
    open: int
    refused: int
    """Over the connection limit."""
    accept_errors: int
    """Times that the process was out of file descriptors or of memory."""
    handshake_failures: int
    crashed: int
    """Connections that ended by an error of ours."""
    bad_heads: dict[str, int]
    """By kind of fault."""


class Tally:
    """The running totals, added to by the listener and its connections."""

    def __init__(self) -> None:
        self.accepted = 0
        self.refused = 0
        self.accept_errors = 0
        self.handshake_failures = 0
        self.crashed = 0
        self._bad_heads: Counter[HeadFault] = Counter()

    def bad_head(self, fault: HeadFault) -> None:
        self._bad_heads[fault] += 1

    def snapshot(self, open_connections: int) -> ListenerStatistics:
        return ListenerStatistics(
            accepted=self.accepted,
            open=open_connections,
            refused=self.refused,
            accept_errors=self.accept_errors,
            handshake_failures=self.handshake_failures,
            crashed=self.crashed,
            bad_heads={fault.value: self._bad_heads[fault] for fault in HeadFault},
        )
