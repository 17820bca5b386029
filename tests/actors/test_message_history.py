"""The messages of a conversation by their places: what is kept, forgotten and taken back."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.agent import Message
from actors.kept_session import messages_gone
from actors.message_history import MessageHistory
from actors.redaction import TaskRedaction


def question(content: str, task_id: str = "t") -> Message:
    return Message("user", content, task_id, 1)


def answer(content: str, task_id: str = "t") -> Message:
    return Message("assistant", content, task_id, 2)


def contents(history: MessageHistory) -> list[str]:
    return [message.content for message in history.messages]


@given(most=st.integers(1, 5), lengths=st.lists(st.integers(0, 7), max_size=8))
def test_the_newest_stay_at_their_places(most: int, lengths: list[int]) -> None:
    history, every = MessageHistory("s", most), [str(number) for number in range(sum(lengths))]
    said = 0
    for length in lengths:
        history.add([question(content) for content in every[said : said + length]])
        said += length
        assert history.end == said
        assert contents(history) == every[:said][-most:]
        assert history.first == max(0, said - most)


def test_what_was_kept_is_counted_unread_and_read_when_wanted() -> None:
    history = MessageHistory("s", 3)
    history.take_up(4, [msgspec.json.encode(message) for message in (question("a"), answer("b"))])
    assert (history.first, history.end) == (4, 6)
    history.add([question("c"), answer("d")])
    assert (contents(history), history.first, history.end) == (["b", "c", "d"], 5, 8)


def test_cleared_it_goes_on_at_the_same_place() -> None:
    history = MessageHistory("s", 3)
    history.take_up(1, [msgspec.json.encode(question("a"))])
    history.add([answer("b")])
    history.clear()
    assert (contents(history), history.first, history.end) == ([], 3, 3)
    assert history.gone_since(1) == messages_gone("s", 1, 3)
    history.add([question("c")])
    assert (contents(history), history.first, history.end) == (["c"], 3, 4)


def test_what_is_taken_back_keeps_its_place_and_is_not_read() -> None:
    history = MessageHistory("s", 3)
    history.add([question("gone"), question("a"), answer("b"), answer("c", "u")])
    told = history.readable
    assert history.redact(TaskRedaction("t", asked=False)) == [2]
    assert contents(history) == ["a", "", "c"]
    assert [message.content for message in history.readable] == ["a", "c"]
    assert [message.content for message in history.left_of(told)] == ["a", "c"]
    assert history.redact(TaskRedaction("t", asked=True))[0] == 1
    assert contents(history) == ["", "", "c"]


def test_records_are_of_what_is_still_kept() -> None:
    history = MessageHistory("s", 2)
    history.add([question(content) for content in "abcd"])
    kept = [(record.id, record.body) for record in history.records(1, 4)]
    assert [name for name, _ in kept] == ["s/000000000002", "s/000000000003"]
    assert [msgspec.json.decode(body or b"", type=Message).content for _, body in kept] == ["c", "d"]
    assert [record.id for record in history.records(3, 4)] == ["s/000000000003"]
    assert history.records(0, 2) == ()
