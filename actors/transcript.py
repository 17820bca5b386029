"""What is said in a task whose agent runs elsewhere, as its conversation takes it in. Plain: no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from actors.agent import Message
from actors.event import Draft, now_ms
from actors.posted_events import text_of


class Transcript:
    """Questions, and answers that come in pieces."""

    def __init__(self, task_id: str) -> None:
        self.said: list[Message] = []
        """The whole messages, in order."""
        self._task_id = task_id
        self._pieces: list[str] = []

    def take_up(self, said: Sequence[Message], pieces: str) -> None:
        """Goes on behind what was said in an earlier life of the engine."""
        self.said, self._pieces = list(said), [pieces]

    def ask(self, prompt: str) -> None:
        self.said.append(Message("user", prompt, self._task_id, now_ms()))

    def answer(self, drafts: Sequence[Draft]) -> None:
        """Takes the pieces of the answer that are among events."""
        self._pieces += [text for one in drafts if (text := text_of(one))]

    def end_turn(self, result: str = "") -> None:
        """The agent's words join the conversation: its result, or what it has streamed where it gives none."""
        answer = result or "".join(self._pieces)
        self._pieces.clear()
        if answer:
            self.said.append(Message("assistant", answer, self._task_id, now_ms()))
