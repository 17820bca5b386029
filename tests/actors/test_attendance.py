"""The cursor of those who are away."""

from __future__ import annotations

from actors.attendance import Attendance
from actors.position import Position


def at(offset: int, epoch: str = "e") -> Position:
    return Position(epoch, offset)


def test_the_first_ever_begins_with_the_oldest_and_a_second_with_what_comes() -> None:
    attendance = Attendance()
    assert [attendance.arrive(), attendance.arrive()] == ["oldest", "live"]
    assert attendance.present == 2


def test_who_comes_back_goes_on_where_the_last_left() -> None:
    attendance = Attendance()
    attendance.arrive()
    attendance.leave(at(7))
    assert attendance.arrive() == at(7)


def test_one_who_lagged_does_not_set_the_others_back() -> None:
    attendance = Attendance()
    attendance.arrive()
    attendance.arrive()
    attendance.leave(at(7))
    attendance.leave(at(3))
    assert attendance.arrive() == at(7)


def test_a_topic_that_began_anew_counts_anew() -> None:
    attendance = Attendance()
    attendance.arrive()
    attendance.leave(at(7))
    attendance.arrive()
    attendance.leave(at(2, "f"))
    assert attendance.arrive() == at(2, "f")
