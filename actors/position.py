"""A place in a log, the same on every transport."""

from __future__ import annotations

import re

import msgspec

from actors.errors import CallboardError, ErrorCode

_FORM = re.compile(r"([0-9A-Za-z_-]{1,64}):([0-9]{1,18})", re.ASCII)


class Position(msgspec.Struct, frozen=True, gc=False):
    """All up to and including `offset` of the log's life named `epoch` was seen. Offset 0 is before the first event."""

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Reads `<epoch>:<offset>`. Raises CallboardError INVALID_PAYLOAD for anything else."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, "a position is written <epoch>:<offset>")
        return cls(found[1], int(found[2]))
