"""What a task asked and nobody is asked any more: who answers late is told what became of it."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum

import msgspec

from actors.errors import CallboardError, ErrorCode
from actors.event import Json
from actors.question_kind import Kind

REMEMBERED = 256
"""Settled questions of one task of which a late answer is told what became; the oldest go."""


class Answerer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who answers; `device` is empty where the way it came by names none."""

    user_id: str
    device: str = ""


class Fate(Enum):
    """What became of a question."""

    APPROVED = "approved"
    DECLINED = "declined"
    CARRIED_OUT = "carried out"
    FAILED = "reported as failed"
    EXPIRED = "nobody answered in time"
    WITHDRAWN = "the agent waits for it no more"


class PastQuestion(msgspec.Struct, frozen=True):
    """`by` is None where nobody has answered; `at` is Unix ms."""

    kind: Kind
    name: str
    fate: Fate
    by: Answerer | None
    at: int

    @property
    def refusal(self) -> CallboardError:
        """Tells who was first, and with what."""
        named = f"{self.kind.value} {self.name}"
        details: dict[str, Json]
        match self.fate:
            case Fate.EXPIRED | Fate.WITHDRAWN as fate:
                word = "has expired" if fate is Fate.EXPIRED else "is open no more"
                details = {f"{fate.name.lower()}_at": self.at}
                return CallboardError(ErrorCode.CONFLICT, f"{named} {word}: {fate.value}", details=details)
            case Fate.APPROVED | Fate.DECLINED:
                details = {"approved": self.fate is Fate.APPROVED}
            case Fate.CARRIED_OUT | Fate.FAILED:
                details = {"success": self.fate is Fate.CARRIED_OUT}
        if self.by is None:
            raise ValueError("an answer is somebody's")
        details |= {"answered_by": self.by.user_id, "answered_at": self.at}
        if self.by.device:
            details["answered_on"] = self.by.device
        who = self.by.user_id + (f" (device {self.by.device})" if self.by.device else "")
        message = f"{named} has been answered already: {self.fate.value} by {who}"
        return CallboardError(ErrorCode.CONFLICT, message, details=details)


class PastQuestions:
    """Those of one task, of which the last are remembered."""

    def __init__(self) -> None:
        self._past: OrderedDict[tuple[Kind, str], PastQuestion] = OrderedDict()

    def find(self, kind: Kind, name: str) -> PastQuestion | None:
        return self._past.get((kind, name))

    def names(self) -> tuple[tuple[Kind, str], ...]:
        return tuple(self._past)

    def all(self) -> tuple[PastQuestion, ...]:
        """Oldest first."""
        return tuple(self._past.values())

    def forget(self, kind: Kind, name: str) -> None:
        """It is asked once more. Idempotent."""
        self._past.pop((kind, name), None)

    def add(self, past: PastQuestion) -> tuple[tuple[Kind, str], ...]:
        """Returns the names of those that are no longer remembered."""
        self._past[past.kind, past.name] = past
        forgotten: list[tuple[Kind, str]] = []
        while len(self._past) > REMEMBERED:
            forgotten.append(self._past.popitem(last=False)[0])
        return tuple(forgotten)
