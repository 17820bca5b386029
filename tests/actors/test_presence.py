"""Presence: who is where follows from the connections that are, and a time of grace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.event import ChannelKey
from actors.presence import Presence

HALL = ChannelKey("room", "hall")
YARD = ChannelKey("room", "yard")


def test_who_comes_is_new_once_and_is_there_until_the_last_connection_leaves() -> None:
    presence = Presence(10.0)
    assert presence.come(HALL, "ann", 1)
    assert not presence.come(HALL, "ann", 2)
    assert presence.come(HALL, "bob", 3)
    assert presence.come(YARD, "ann", 1)
    assert (presence.members(HALL), presence.members(YARD)) == (("ann", "bob"), ("ann",))
    assert not presence.leave(HALL, "ann", 1)
    assert presence.leave(HALL, "ann", 2)
    assert not presence.leave(HALL, "ann", 2)
    assert (presence.members(HALL), presence.members(YARD)) == (("bob",), ("ann",))


def test_who_is_lost_stays_for_the_time_of_grace() -> None:
    presence = Presence(10.0)
    presence.come(HALL, "ann", 1)
    presence.lose(HALL, "ann", 1, 100.0)
    presence.lose(HALL, "ann", 1, 105.0)
    assert presence.departed(109.9) == []
    assert presence.members(HALL) == ("ann",)
    assert presence.departed(110.0) == [(HALL, "ann")]
    assert presence.departed(200.0) == []
    assert presence.members(HALL) == ()


def test_who_comes_back_in_time_has_never_been_away() -> None:
    presence = Presence(10.0)
    presence.come(HALL, "ann", 1)
    presence.lose(HALL, "ann", 1, 100.0)
    assert not presence.come(HALL, "ann", 2)
    assert presence.departed(200.0) == []
    assert presence.holds(HALL, "ann", 2)
    assert not presence.holds(HALL, "ann", 1)


STEPS = st.tuples(
    st.sampled_from(["come", "lose", "leave", "wait"]),
    st.sampled_from([HALL, YARD]),
    st.sampled_from(["ann", "bob"]),
    st.integers(1, 2),
)


@given(st.lists(STEPS, max_size=40))
def test_what_is_told_adds_up_to_who_is_there(steps: list[tuple[str, ChannelKey, str, int]]) -> None:
    presence = Presence(3.0)
    told: set[tuple[ChannelKey, str]] = set()
    connected: dict[tuple[ChannelKey, str], set[int]] = {}
    for now, (step, place, user, connection) in enumerate(steps):
        who = (place, user)
        held = connected.setdefault(who, set())
        match step:
            case "come":
                held.add(connection)
                if presence.come(place, user, connection):
                    assert who not in told
                    told.add(who)
            case "lose":
                held.discard(connection)
                presence.lose(place, user, connection, float(now))
            case "leave":
                held.discard(connection)
                if presence.leave(place, user, connection):
                    told.remove(who)
            case _:
                for gone in presence.departed(float(now)):
                    assert not connected[gone]
                    told.remove(gone)
        assert {(room, member) for room in (HALL, YARD) for member in presence.members(room)} == told
        assert all(each in told for each, connections in connected.items() if connections)
