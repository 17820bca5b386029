"""An answer of a room as it grows. Pure."""

from __future__ import annotations

import math

from transport.dialects.pipeline import Echo

_GROWTH_CHARACTERS = 16 * 1024


class RoomAnswer:
    """What one task is saying in answer to what it was asked last."""

    __slots__ = ("connection_id", "due", "echo", "final_text", "id", "recalled", "stream", "text", "timestamp", "turn")

    def __init__(self, turn: int, connection_id: str = "", *, stream: bool = True, echo: Echo | None = None) -> None:
        self.turn = turn
        self.connection_id = connection_id
        self.stream = stream
        self.echo: Echo = echo or {}
        self.id = 0
        """0 until it has begun."""
        self.timestamp = 0
        self.text = ""
        self.final_text: str | None = None
        """As it stands in the conversation, once its turn has ended."""
        self.due = math.inf
        self.recalled = False

    @property
    def whole(self) -> str:
        """What it came to: as it stands in the conversation, or what was streamed where it never came there."""
        return self.text if self.final_text is None else self.final_text

    def wait(self, now: float, growth_seconds: float) -> None:
        """Is due again `growth_seconds` from now, and as much more for each 16 Ki characters that it has."""
        self.due = now + growth_seconds * (1 + len(self.text) / _GROWTH_CHARACTERS)

    def redact(self) -> None:
        """Forgets what was said so far."""
        self.text, self.final_text = "", None
