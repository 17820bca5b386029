"""What a topic came to before the events that are still kept is damaged on the disk: that is reported, and the rest
goes on without it."""

from __future__ import annotations

import msgspec
import pytest
import trio

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.compactor import Compactor, CompactorOptions
from actors.event import ChannelKey, Merge, draft
from actors.journal import Journal
from actors.journal_entries import Kept
from actors.kept_topics import Keeping
from actors.mailbox import Reply
from actors.redaction import TaskRedaction
from actors.retainer import Retainer, RetainerOptions
from actors.retention import Retention
from actors.snapshot_base import BASE, Base, base_id
from actors.snapshots import Snapshots
from actors.store import Floor, Record
from actors.task_fold import TaskSnapshot
from tests.support.memory_store import MemoryStore
from tests.support.world import NurserySpawner

KEY = ChannelKey("task", "task-1", "alice")
DAMAGES = [
    b"",
    b"{",
    b'{"first":1,"offset":3,"timestamp":0,"state":[]}',
    b'{"first":1,"offset":3,"timestamp":0,"state":{"messages":{"m":"ab\xff"}}}',
]
REPORT = "what task/task-1 came to before"
LATER = 10**15


class Scene:
    """A task of eight events, of which the first three are only in its base."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.store = MemoryStore()
        self.journal = Journal(self.store)
        keeping = Keeping(self.journal, self.store, lambda key: True, Retention(events=2))
        self.channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(), keeping)
        self.snapshots = Snapshots(self.channels, self.store)

    async def begin(self, nursery: trio.Nursery, damage: bytes) -> None:
        await nursery.start(self.journal.run)
        pieces = [draft("agent.message", {"content": one}, merge=Merge.TEXT, merge_key="m") for one in "abcdefg"]
        await self.channels.publish(KEY, *pieces, draft("task.completed", {}))
        reply: Reply[None] = Reply()
        record = Record(BASE, base_id(KEY), damage)
        self.channels.log(KEY).raise_floor(3)
        self.journal.put_nowait(Kept(records=(record,), floors=(Floor(KEY, 3),), reply=reply))
        await reply.wait()

    async def base(self) -> Base:
        body = await self.store.record(BASE, base_id(KEY))
        assert body is not None
        return msgspec.json.decode(body, type=Base)


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_snapshot_begins_with_what_is_kept(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    scene = Scene(nursery)
    await scene.begin(nursery, damage)
    snapshot = await scene.snapshots.take(KEY)
    assert (snapshot.first, snapshot.offset) == (4, 8)
    assert msgspec.json.decode(snapshot.body, type=TaskSnapshot).messages == {"m": "defg"}
    assert REPORT in caplog.text


@pytest.mark.parametrize("damage", DAMAGES)
async def test_it_is_compacted(nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, damage: bytes) -> None:
    scene = Scene(nursery)
    await scene.begin(nursery, damage)
    await Compactor(scene.channels, scene.snapshots, scene.journal, CompactorOptions(10.0)).round(LATER)
    base = await scene.base()
    assert (base.first, base.offset) == (4, 8)
    assert [event.event_type for event in scene.store.events(KEY)] == ["task.completed"]
    assert REPORT in caplog.text


@pytest.mark.parametrize("damage", DAMAGES)
async def test_its_floor_rises(nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, damage: bytes) -> None:
    scene = Scene(nursery)
    await scene.begin(nursery, damage)
    retainer = Retainer(
        scene.store,
        scene.journal,
        scene.channels,
        {"task": Retention(events=2)},
        fold_before=scene.snapshots.fold_before,
        options=RetainerOptions(rest=0),
    )
    await retainer.round()
    base = await scene.base()
    assert (base.first, base.offset) == (4, 6)
    assert [event.offset for event in scene.store.events(KEY)] == [7, 8]
    assert REPORT in caplog.text


@pytest.mark.parametrize("damage", [*DAMAGES, b'{"first":1,"offset":3,"state":{"messages":{"m":"abc"}}'])
async def test_what_is_taken_back_is_not_in_it(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    scene = Scene(nursery)
    await scene.begin(nursery, damage)
    await scene.channels.redact(KEY, TaskRedaction("task-1", asked=True))
    await scene.channels.keeper.keep()
    assert not scene.store.holds(b"abc")
    assert REPORT in caplog.text
    caplog.clear()
    # What is there now says nothing, and is no damage.
    assert (await Snapshots(scene.channels, scene.store).take(KEY)).first == 4
    assert not caplog.text
