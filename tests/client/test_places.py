"""What a subscription takes and what it has seen before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard_client import Event, Gap, Position
from callboard_client.frames import Place
from callboard_client.places import REMEMBERED, RENEWED, Places, lowest


def event(offset: int, kind: str = "tick", data: Any = None, topic: str = "t", epoch: str = "e") -> Event:
    return Event(
        channel="task",
        topic=topic,
        event_type=kind,
        data=data,
        position=Position(epoch, offset),
        first=offset,
        timestamp=0,
    )


def gap(first: int, last: int, reason: str, at: Position) -> Gap:
    return Gap(channel="task", topic="t", first=first, last=last, reason=reason, position=at)


@given(st.lists(st.integers(1, 20), min_size=1))
def test_of_any_repetition_each_event_is_taken_once_and_in_order(offsets: list[int]) -> None:
    places = Places("task", ["t"], {"t": Position("e", 0)})
    taken = [offset for offset in offsets if places.takes(event(offset))]
    assert taken == sorted(set(taken))
    assert places.position("t") == Position("e", taken[-1])


def test_gaps_move_the_place_and_old_ones_are_anothers() -> None:
    places = Places("task", ["t"], {"t": Position("e", 5)})
    assert not places.takes(gap(2, 4, "retention", Position("e", 4)))
    assert places.takes(gap(6, 9, "retention", Position("e", 9)))
    assert not places.takes(event(9))
    assert places.takes(gap(8, 12, "future", Position("e", 7)))
    assert places.takes(event(8))
    assert places.takes(gap(1, 2, "epoch", Position("f", 2)))
    assert places.starts() == {"t": Position("f", 2)}


def test_the_servers_word_on_where_it_starts() -> None:
    live = Places("task", ["t"], {})
    assert live.begin("t", Place("e", 12)) is None
    assert live.starts() == {"t": Position("e", 12)}
    live.begin("t", Place("e", 3))
    assert live.starts() == {"t": Position("e", 12)}
    oldest = Places("task", ["t"], {"t": "0"})
    oldest.begin("t", Place("e", 8, recovered=False))
    assert oldest.starts() == {"t": "0"}
    oldest.begin("t", Place("e", 0))
    assert oldest.starts() == {"t": Position("e", 0)}


def test_a_topic_that_is_gone_is_a_gap() -> None:
    places = Places("task", [], {"t": Position("e", 5)})
    told = places.begin("t", Place(recovered=False))
    assert told == Gap(channel="task", topic="t", first=6, last=None, reason="gone", position=None)
    assert places.starts() == {}


def test_an_open_question_is_handed_out_once() -> None:
    places = Places("task", ["t"], {})
    places.begin("t", Place("e", 7))
    asked = {"step_id": "s1"}
    assert places.takes(event(7, "step.confirm", asked))
    assert not places.takes(event(7, "step.confirm", asked))
    assert places.takes(event(7, "step.confirm", {"step_id": "s2"}))
    assert not places.takes(event(7, "tick"))
    assert places.takes(event(8, "step.confirmed", asked))
    assert places.takes(event(9, "step.confirm", asked))


def test_an_open_tool_call_is_handed_out_once() -> None:
    places = Places("task", ["t"], {})
    places.begin("t", Place("e", 7))
    asked = {"call_id": "s1"}
    assert places.takes(event(7, "agent.client_tool_call", asked))
    assert not places.takes(event(7, "agent.client_tool_call", asked))
    assert places.takes(event(7, "step.confirm", {"step_id": "s1"})), "names of their own"
    assert places.takes(event(8, "agent.client_tool_result", asked))
    assert not places.takes(event(8, "step.confirm", {"step_id": "s1"}))


def test_a_whole_channel_remembers_what_can_still_come() -> None:
    places = Places("task", [], {})
    assert places.everything
    places.takes(event(1, topic="over"))
    places.takes(event(2, "task.completed", topic="over"))
    for number in range(REMEMBERED + 10):
        places.takes(event(1, topic=f"t{number}"))
        places.takes(event(number + 2, topic="busy"))
    starts = places.starts()
    assert len(starts) == REMEMBERED
    assert "t0" not in starts
    assert starts["busy"] == Position("e", REMEMBERED + 11)


@pytest.mark.parametrize(
    ("start", "others", "expected"),
    [
        ("0", [Position("e", 1)], "0"),
        (Position("e", 5), [Position("e", 3), None, Position("f", 1)], Position("e", 3)),
        (Position("e", 5), [Position("e", 9)], Position("e", 5)),
    ],
)
def test_the_server_goes_back_as_far_as_anyone_needs(start: Any, others: Any, expected: Any) -> None:
    assert lowest(start, others) == expected


def following() -> Places:
    places = Places("task", [], {})
    places.begin("*", Place("m", 100))
    return places


def test_a_new_mark_stands_for_the_positions_before_it() -> None:
    places = following()
    needed = []
    for number in range(RENEWED - 1):
        places.takes(event(1, topic=f"t{number}"))
        needed.append(places.needs_mark)
    places.begin_renewal()
    needed.append(places.needs_mark)
    assert needed == [*[False] * (RENEWED - 2), True, False]
    places.takes(event(2, topic="t0"))
    places.takes(event(1, topic="new"))
    places.renew({"*": Place("m", 300), "t1": Place("e", 0), "late": Place("e", 7)})
    places.end_renewal()
    assert places.starts() == {
        "*": Position("m", 300),
        "t0": Position("e", 2),
        "t1": Position("e", 1),
        "new": Position("e", 1),
        "late": Position("e", 7),
    }


def test_without_a_new_mark_all_stays() -> None:
    places = following()
    places.takes(event(1))
    places.begin_renewal()
    places.renew({})
    places.end_renewal()
    assert places.starts() == {"*": Position("m", 100), "t": Position("e", 1)}


def test_a_mark_is_of_no_use_once_topics_were_forgotten() -> None:
    places = following()
    for number in range(REMEMBERED):
        places.takes(event(1, topic=f"t{number}"))
    assert "*" not in places.starts()
    assert "*" not in places.positions()
    told = places.begin("*", Place("m", 900))
    mark = Position("m", 900)
    assert told == Gap(channel="task", topic="*", first=101, last=900, reason="forgotten", position=mark)
    assert places.starts()["*"] == mark


def test_a_new_mark_in_time_makes_what_was_forgotten_unnecessary() -> None:
    places = following()
    for number in range(REMEMBERED):
        places.takes(event(1, topic=f"t{number}"))
    places.begin_renewal()
    places.renew({"*": Place("m", 900)})
    places.end_renewal()
    assert places.starts() == {"*": Position("m", 900)}
    assert places.begin("*", Place("m", 900)) is None
