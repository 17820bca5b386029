from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.members import MemoryMembers

users = st.sampled_from(["ann", "bob", "cyd"])


@given(st.lists(st.tuples(st.booleans(), users), max_size=20))
def test_a_group_has_whom_it_was_given_in_order_and_stays_closed(steps: list[tuple[bool, str]]) -> None:
    store, known = MemoryMembers(), list[str]()
    closed = False
    for adds, user in steps:
        if adds:
            assert store.add("g", user) is (user not in known)
            known += [] if user in known else [user]
            closed = True
        else:
            assert store.remove("g", user) is (user in known)
            known = [one for one in known if one != user]
        assert store.of("g") == (tuple(known) if closed else None)
    assert store.of("other") is None


def test_those_from_the_start_can_be_removed() -> None:
    store = MemoryMembers({"g": ("ann", "bob")})
    assert store.remove("g", "ann")
    assert store.of("g") == ("bob",)
