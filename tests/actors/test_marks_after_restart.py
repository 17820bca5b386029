"""Who follows a whole channel over a restart of the engine: what was kept before it counts as the first."""

from __future__ import annotations

import trio

from actors.event import ChannelKey, draft
from actors.follower import Follower
from actors.position import Position
from actors.resumption import Resumption
from tests.support.kept_core import kept_core
from tests.support.memory_store import MemoryStore

OLD = ChannelKey("task", "old", "alice")
NEW = ChannelKey("task", "new", "alice")


def everything() -> Follower:
    return Follower("task", "alice", lambda key: None, lambda key: None)


async def test_who_wants_all_gets_what_was_kept_and_who_wants_what_comes_does_not(
    autojump_clock: trio.abc.Clock,
) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        await core.channels.publish(OLD, *(draft("fact", number) for number in range(20)))
    async with kept_core(store) as core:
        channels = core.channels
        before = channels.marks.now
        assert channels.followers.to_follow(everything(), 0) == (OLD,)
        assert channels.followers.to_follow(everything(), before.offset) == ()
        assert channels.statistics().events == 0
        await channels.publish(OLD, draft("fact", 21))
        await channels.publish(NEW, draft("fact", 1))
        assert channels.log(OLD).resume_at(0) == Resumption(0, None)
        assert channels.log(OLD).resume_at(before.offset) == Resumption(20, None)
        assert channels.log(NEW).resume_at(before.offset) == Resumption(0, None)
        # Of a mark of another life it is known that it was before all of this one.
        again = channels.marks.resume(Position("another", 3))
        assert again.offset == before.offset
        assert again.gap is not None
