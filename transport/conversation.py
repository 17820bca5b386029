"""The port behind which a dialect talks with one client."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol


class Conversation(Protocol):
    """What one client says in its dialect, and what it is answered."""

    def greet(self) -> None:
        """Right after the upgrade: what is sent first, and who the client is where that is known."""
        ...

    def answer(self, text: str) -> Awaitable[None] | None:
        """Handles one text frame, whatever it holds: now, or by awaiting what is returned. What goes wrong is told in
        the dialect's own form and raises nothing: one bad request must not end all that its connection follows."""
        ...

    def end(self) -> None:
        """The connection is over. Whatever it had going on that is of no use to anybody else ends too."""
        ...
