"""Whose turn it is: first come, first served, behind those who stood there before a restart."""

from __future__ import annotations

from actors.mailbox import Reply
from actors.turn_queue import Enter, TurnQueue


def entry(task_id: str) -> Enter:
    return Enter(task_id, Reply())


def admitted(turns: TurnQueue) -> str | None:
    found = turns.admit()
    return None if found is None else found.task_id


def test_one_at_a_time_in_the_order_they_came() -> None:
    turns = TurnQueue()
    assert admitted(turns) is None
    for name in ("a", "b", "c"):
        turns.wait(entry(name))
    assert (admitted(turns), turns.current) == ("a", "a")
    assert admitted(turns) is None
    turns.leave("a")
    assert (admitted(turns), admitted(turns)) == ("b", None)


def test_who_gives_up_waiting_is_passed_over_and_disturbs_nobody() -> None:
    turns = TurnQueue()
    for name in ("a", "b", "c"):
        turns.wait(entry(name))
    assert admitted(turns) == "a"
    turns.heard = 2
    turns.leave("b")
    assert (turns.current, turns.heard) == ("a", 2)
    turns.leave("a")
    assert (turns.current, turns.heard, admitted(turns)) == (None, 0, "c")


def test_who_stood_there_before_a_restart_is_waited_for() -> None:
    turns = TurnQueue()
    turns.heard = 3
    turns.take_up("a", entered=True)
    turns.take_up("b", entered=False)
    turns.take_up("c", entered=False)
    assert (turns.current, turns.heard) == ("a", 3)
    turns.wait(entry("new"))
    turns.wait(entry("c"))
    turns.leave("a")
    assert admitted(turns) is None
    turns.wait(entry("b"))
    assert (admitted(turns), turns.heard) == ("b", 0)
    turns.leave("b")
    assert admitted(turns) == "c"
    turns.leave("c")
    assert admitted(turns) == "new"


def test_one_that_does_not_come_again_holds_nobody_up() -> None:
    turns = TurnQueue()
    turns.take_up("gone", entered=False)
    turns.wait(entry("new"))
    assert admitted(turns) is None
    turns.leave("gone")
    assert admitted(turns) == "new"
