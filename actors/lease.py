"""How long a task whose agent runs elsewhere waits for it. Plain: no clock, no I/O."""

from __future__ import annotations

import math

import msgspec


class LeaseOptions(msgspec.Struct, frozen=True):
    """`lease_seconds` after its last post a claim runs out; a task unclaimed for `claim_seconds` fails."""

    lease_seconds: float = 60.0
    claim_seconds: float = 3600.0


class Lease:
    """Until when the agent is waited for: to claim the task, to post, or to stop. `now` is trio's time."""

    def __init__(self, options: LeaseOptions, cancel_seconds: float) -> None:
        self.deadline = math.inf
        self.seconds = options.lease_seconds
        self._claim_seconds = options.claim_seconds
        self._cancel_seconds = cancel_seconds

    def await_claim(self, now: float) -> None:
        self.deadline = now + self._claim_seconds

    def renew(self, now: float, *, stopping: bool) -> None:
        """Once it is asked to stop, an agent has only the time that stopping may take, however much it posts."""
        if stopping:
            self.deadline = min(self.deadline, now + self._cancel_seconds)
        else:
            self.deadline = now + self.seconds
