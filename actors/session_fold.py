"""What the events of a conversation come to."""

from __future__ import annotations

from functools import partial

import msgspec

from actors.event import ChannelKey, Event
from actors.fold import Members, Texts, left_of, members, text_of
from actors.redaction import Redaction

MESSAGES = 1_000


class SessionSnapshot(msgspec.Struct, kw_only=True):
    """A conversation as its events tell it.

    `messages`: the newest 1,000 that have joined it, oldest first. `asked` and `answers`: of the runs that go on, by
    their ids, what was asked and the answer so far. `others`: of each other type what its last event held.
    """

    messages: list[object] = []
    asked: Members = {}
    answers: dict[str, str] = {}
    others: Members = {}


class SessionFold:
    """An actors.fold.Fold of a session's topic."""

    def __init__(self) -> None:
        self._rest = SessionSnapshot()
        """All but the answers."""
        self._answers = Texts()

    def apply(self, event: Event) -> None:
        rest, data = self._rest, members(event)
        run = text_of(data, "exec_id")
        match event.event_type:
            case "message":
                rest.messages.append(data)
                del rest.messages[:-MESSAGES]
            case "input" | "chat.message":
                rest.asked[run] = data
            case "output":
                self._answers.add(run, text_of(data, "content"))
            case "done":
                rest.asked.pop(run, None)
                self._answers.pop(run)
            case "chat.reset":
                rest.messages.clear()
            case "gap":
                # It tells a reader what is missing, and says nothing of the conversation.
                pass
            case kind:
                rest.others[kind] = msgspec.json.decode(event.body)

    def snapshot(self) -> SessionSnapshot:
        return msgspec.structs.replace(self._rest, answers=self._answers.joined())

    def dump(self) -> bytes:
        return msgspec.json.encode(self.snapshot())

    def redact(self, key: ChannelKey, redaction: Redaction) -> None:
        rest, left = self._rest, partial(left_of, redaction, key)

        def answer_left(run: str, answer: str) -> str:
            output = left("output", {"exec_id": run, "content": answer}, run)
            return text_of(output, "content") if isinstance(output, dict) else ""

        rest.messages = [left("message", message) for message in rest.messages]
        rest.asked = {run: left("chat.message", asked) for run, asked in rest.asked.items()}
        self._answers.redact(answer_left)
        rest.others = {kind: left(kind, data) for kind, data in rest.others.items()}

    def load(self, dumped: bytes) -> None:
        self._rest = msgspec.json.decode(dumped, type=SessionSnapshot)
        self._answers = Texts(self._rest.answers)
