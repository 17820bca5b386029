"""What is kept of a conversation at every moment, also while a task's words are on their way into the journal."""

from __future__ import annotations

import msgspec

from actors.agent import Message
from actors.commands import CreateSession
from actors.kept_session import MESSAGE_RECORDS, SESSION_RECORDS, KeptSession, Recalled
from actors.mailbox import Reply
from actors.redaction import TaskRedaction
from actors.session_record import SessionRecord
from actors.store import Record
from actors.turn_queue import Enter

SAID = (Message("user", "hi", "t", 1), Message("assistant", "HI", "t", 2))


def at_its_turn(*expected: str, most: int = 10) -> SessionRecord:
    """A conversation at which it is the first task's turn."""
    record = SessionRecord("s", "alice", CreateSession(agent="echo"), 1, most)
    for task_id in expected:
        record.expect(task_id)
    record.turns.wait(Enter(expected[0], Reply()))
    record.turns.admit()
    return record


def session_of(records: tuple[Record, ...]) -> KeptSession:
    (body,) = (one.body for one in records if one.kind == SESSION_RECORDS)
    return msgspec.json.decode(body or b"", type=KeptSession)


def messages_of(records: tuple[Record, ...]) -> list[str | None]:
    """Their contents; None for one that is no more."""
    return [
        None if one.body is None else msgspec.json.decode(one.body, type=Message).content
        for one in records
        if one.kind == MESSAGE_RECORDS
    ]


def test_a_message_joins_once() -> None:
    record = at_its_turn("t")
    drafts, kept = record.join("t", SAID[:1])
    assert ([one.event_type for one in drafts], messages_of(kept())) == (["message"], ["hi"])
    record.has_joined()
    drafts, kept = record.join("t", SAID)
    assert (len(drafts), messages_of(kept()), session_of(kept()).heard) == (1, ["HI"], 2)
    record.has_joined()
    assert record.join("t", SAID)[0] == []
    assert [one.content for one in record.history.messages] == ["hi", "HI"]


def test_who_is_not_at_its_turn_adds_nothing() -> None:
    record = at_its_turn("t", "u")
    drafts, kept = record.join("u", (Message("user", "no", "u", 1),))
    assert (drafts, messages_of(kept()), record.history.messages) == ([], [], [])


def test_what_is_kept_ahead_of_words_on_their_way_says_nothing_of_them() -> None:
    record = at_its_turn("t")
    _, kept = record.join("t", SAID)
    noted = record.redact(TaskRedaction("t", asked=False))
    assert (messages_of(noted), session_of(noted).heard) == ([], 0)
    assert session_of(noted).recalled == (Recalled("t", asked=False),)
    # As they are by the time they are kept.
    assert (messages_of(kept()), session_of(kept()).heard) == (["hi", ""], 2)
    record.has_joined()
    assert messages_of(record.redact(TaskRedaction("t", asked=True)))[0] == ""


def test_a_weaker_redaction_takes_nothing_of_a_stronger_one_back() -> None:
    record = at_its_turn("t")
    record.redact(TaskRedaction("t", asked=True))
    record.join("t", SAID)
    record.forgo("t")
    noted = record.redact(TaskRedaction("t", asked=False))
    assert session_of(noted).recalled == (Recalled("t", asked=True),)
    assert [one.content for one in record.history.messages] == ["", ""]


def test_cleared_while_words_are_on_their_way_nothing_is_left_of_them() -> None:
    record = at_its_turn("t")
    record.history.add([Message("user", "before", "x", 1)])
    _, kept = record.join("t", SAID)
    noted = record.clear()
    known = session_of(noted)
    assert (known.heard, known.disowned, known.forgotten) == (0, ("t",), 3)
    assert set(messages_of(noted)) == {None}
    assert (session_of(kept()).heard, messages_of(kept())) == (2, [None, None, None])
    record.has_joined()
    # What it says later joins nothing.
    assert record.join("t", (*SAID, SAID[1]))[0] == []
    record.forgo("t")
    assert session_of((record.kept,)).disowned == ()


def test_what_is_forgotten_over_words_on_their_way_is_gone_with_them() -> None:
    record = at_its_turn("t", most=2)
    record.history.add([Message("user", "old", "x", 1), Message("assistant", "older", "x", 1)])
    _, kept = record.join("t", SAID[:1])
    noted = record.redact(TaskRedaction("x", asked=False))
    assert session_of(noted).forgotten == 1
    assert messages_of(kept()) == ["hi", None]


def test_it_goes_on_as_it_was_kept() -> None:
    record = at_its_turn("t", "u", "v")
    _, joined = record.join("t", SAID)
    record.has_joined()
    bodies = [one.body or b"" for one in joined() if one.kind == MESSAGE_RECORDS]
    record.redact(TaskRedaction("u", asked=True))
    kept = session_of((record.kept,))
    again = SessionRecord("s", "alice", CreateSession(agent="echo"), 1, 10)
    again.take_up(kept, bodies)
    assert session_of((again.kept,)) == kept
    assert again.redaction_of("u") == TaskRedaction("u", asked=True)
    assert again.history.messages == record.history.messages
    assert {one.body for one in again.gone} == {None}
