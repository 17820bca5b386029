"""Compaction and retention at once: the base that is left of a task is the newer one."""

from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.compactor import Compactor, CompactorOptions
from actors.event import ChannelKey, Merge, draft
from actors.journal import Journal, JournalOptions
from actors.kept_topics import Keeping
from actors.retainer import Retainer, RetainerOptions
from actors.retention import Retention
from actors.snapshots import Snapshots
from actors.task_fold import TaskSnapshot
from tests.support.memory_store import MemoryStore
from tests.support.world import NurserySpawner

KEY = ChannelKey("task", "task-1", "alice")
OTHER = ChannelKey("app", "busy")
LATER = 10**15


@pytest.mark.parametrize("first", ["retainer", "compactor"])
async def test_whichever_of_the_two_comes_first(autojump_clock: trio.abc.Clock, first: str) -> None:
    store = MemoryStore(seconds=1)
    async with trio.open_nursery() as nursery:
        journal = Journal(store, JournalOptions(waiting=1, batch=1))
        keeping = Keeping(journal, store, lambda key: True, Retention(events=2))
        channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(), keeping)
        snapshots = Snapshots(channels, store)
        compactor = Compactor(channels, snapshots, journal, CompactorOptions(10.0))
        retainer = Retainer(
            store,
            journal,
            channels,
            {"task": Retention(events=4)},
            fold_before=snapshots.fold_before,
            folding=snapshots.folding,
            options=RetainerOptions(rest=0),
        )
        await nursery.start(journal.run)
        pieces = [draft("agent.message", {"content": piece}, merge=Merge.TEXT, merge_key="m") for piece in "abcdef"]
        await channels.publish(KEY, *pieces, draft("task.completed", {}))
        for _ in range(3):
            await channels.emit(OTHER, draft("word", "fills the journal"))
        rounds = [retainer.round, lambda: compactor.round(LATER)]
        for begin in rounds if first == "retainer" else reversed(rounds):
            nursery.start_soon(begin)
            await wait_all_tasks_blocked()
        await trio.sleep(30)
        found = msgspec.json.decode((await Snapshots(channels, store).take(KEY)).body, type=TaskSnapshot)
        assert found.messages == {"m": "abcdef"}
        assert channels.log(KEY).first > 1 or channels.log(KEY).holes > 1
        nursery.cancel_scope.cancel()
