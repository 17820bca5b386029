from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import CallboardError, ErrorCode
from actors.members import MEMBER, Members
from tests.support.kept_core import kept_core
from tests.support.memory_store import MemoryStore

users = st.sampled_from(["ann", "bob", "cyd"])


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "restart"]), users), max_size=20))
def test_a_group_has_whom_it_was_given_in_order_and_stays_closed(steps: list[tuple[str, str]]) -> None:
    disk = MemoryStore()

    async def live() -> None:
        known: list[str] = []
        closed = False
        while True:
            async with kept_core(disk) as core:
                store = Members(keeper=core.channels.keeper)
                store.load(await disk.records(MEMBER))
                assert sorted(store.of("g") or ()) == sorted(known)
                assert (store.of("g") is not None) is closed
                while steps:
                    action, user = steps.pop(0)
                    if action == "restart":
                        break
                    if action == "add":
                        assert await store.add("g", user) is (user not in known)
                        known += [] if user in known else [user]
                        closed = True
                    else:
                        assert await store.remove("g", user) is (user in known)
                        known = [one for one in known if one != user]
                    assert sorted(store.of("g") or ()) == sorted(known)
                else:
                    assert store.of("other") is None
                    return

    trio.run(live)


async def test_those_from_the_start_can_be_removed_for_good() -> None:
    disk = MemoryStore()
    start = {"g": ("ann", "bob")}
    async with kept_core(disk) as core:
        assert await Members(start, core.channels.keeper).remove("g", "ann")
    again = Members(start)
    again.load(await disk.records(MEMBER))
    assert again.of("g") == ("bob",)


async def test_who_cannot_be_kept_is_no_member(autojump_clock: trio.abc.Clock) -> None:
    disk = MemoryStore()
    async with kept_core(disk) as core:
        store = Members(keeper=core.channels.keeper)
        disk.fail("disk full")
        with pytest.raises(CallboardError) as refused:
            await store.add("g", "ann")
        assert refused.value.code is ErrorCode.UNAVAILABLE
        assert store.of("g") is None
