"""The checker finds each of the faults that it is there to find."""

from __future__ import annotations

import pytest

from tests.kill9.checker import Checker, Kept, repetitions
from tests.kill9.record import Acknowledged, Began, Entry, Missed, Place, Record, Told

KEPT = Kept("one", ("a", "b", "c"))


def told(offset: int, said: str, *, epoch: str = "one", first: int | None = None) -> Told:
    return Told(Place(epoch, offset), offset if first is None else first, said)


def problems(*entries: Entry, lossless: bool = True) -> list[str]:
    checker, record = Checker(lossless=lossless), Record("client")
    for entry in entries:
        record.add(entry)
    checker.check_record("app/board", record, KEPT)
    return checker.problems


def test_an_exact_record_is_right_also_over_a_reconnection_and_where_pieces_were_joined() -> None:
    again = Began(Place("one", 1), recovered=True)
    assert problems(told(1, "a"), told(2, "b"), told(3, "c")) == []
    assert problems(told(1, "a"), again, told(3, "bc", first=2)) == []


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ((told(1, "a"), told(3, "c")), "a hole"),
        ((told(2, "b"), told(3, "c")), "begins with"),
        ((told(1, "a"), told(2, "b"), told(2, "b"), told(3, "c")), "a repetition"),
        ((told(1, "a"), told(2, "b")), "ends at one:2"),
        ((told(1, "a"), told(2, "x"), told(3, "c")), "kept as 'b'"),
        ((told(1, "a"), Began(Place("one", 2), recovered=True), told(3, "c")), "calls that no loss"),
        ((told(1, "a", epoch="old"), told(2, "b"), told(3, "c")), "without a gap"),
        ((told(1, "a"), Missed("retention", Place("one", 2)), told(3, "c")), "where nothing was lost"),
    ],
)
def test_a_wrong_record_is_found(entries: tuple[Entry, ...], problem: str) -> None:
    found = problems(*entries)
    assert found
    assert problem in found[0]


def test_a_new_epoch_is_right_with_a_gap_where_something_was_lost() -> None:
    old, gap = told(1, "x", epoch="old"), Missed("epoch", Place("one", 0))
    assert problems(old, gap, told(1, "a"), told(2, "b"), told(3, "c"), lossless=False) == []
    assert problems(old, Began(Place("one", 2), recovered=False), told(3, "c"), lossless=False) == []
    assert "which is the old one" in problems(told(1, "a"), Missed("epoch", Place("one", 3)), lossless=False)[0]


def test_clients_that_were_told_different_things_are_found() -> None:
    checker = Checker(lossless=False)
    for name, said in (("one", "a"), ("other", "b")):
        record = Record(name)
        record.add(told(1, said, epoch="gone"))
        checker.check_record("app/board", record, KEPT, end=0)
    assert "others were told 'a'" in checker.problems[0]


def test_what_was_acknowledged_and_is_not_there_is_found() -> None:
    checker = Checker(lossless=True)
    checker.check_acknowledged([Acknowledged("app/board", Place("one", 2), "b")], {"app/board": KEPT})
    assert checker.problems == []
    for place, said in ((Place("one", 2), "x"), (Place("one", 4), "d"), (Place("two", 2), "b")):
        checker = Checker(lossless=True)
        checker.check_acknowledged([Acknowledged("app/board", place, said)], {"app/board": KEPT})
        assert len(checker.problems) == 1


def test_repetitions_are_counted() -> None:
    assert repetitions([KEPT]) == 0
    assert repetitions([Kept("one", ("a", "b", "a")), Kept("one", ("a", "a"))]) == 2
