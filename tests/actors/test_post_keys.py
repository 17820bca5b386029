"""The keys of what was posted: the newest are known, also after a restart that finds them by their places."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.commands import CreateTask
from actors.kept_task import REMEMBERED_POSTS
from actors.position import Position
from actors.post_keys import PostKeys
from actors.task_record import TaskRecord


def new_record() -> TaskRecord:
    return TaskRecord("t", "alice", CreateTask(agent="far", prompt="hi"), None, Position("e", 0), 10)


def test_a_post_without_a_key_is_not_known_again() -> None:
    record = new_record()
    keys = PostKeys(record)
    assert keys.note(None) == ()
    assert (None in keys, record.posts) == (False, 0)


@given(count=st.integers(0, 3 * REMEMBERED_POSTS), more=st.integers(0, 3))
def test_the_newest_are_known_after_a_restart_too(count: int, more: int) -> None:
    record, kept = new_record(), dict[str, str]()
    keys = PostKeys(record)
    for number in range(count):
        for one in keys.note(str(number)):
            kept[one.id] = (one.body or b"").decode()
    assert record.posts == count
    again = PostKeys(record)
    again.take_up([kept[name] for name in sorted(kept)])
    for number in range(count, count + more):
        again.note(str(number))
    known = {str(number) for number in range(count + more) if str(number) in again}
    assert known == {str(number) for number in range(max(0, count + more - REMEMBERED_POSTS), count + more)}
