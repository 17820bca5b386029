"""Conversations and published events after a restart: what was said, taken back, forgotten; what a key was used for."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from actors.commands import CreateSession, CreateTask, ExecSession, Publish
from actors.event import draft
from actors.feeds import Feeds
from actors.redaction import TaskRedaction
from actors.redactor import Redactor
from actors.sessions import SessionsOptions
from actors.store import own_kind
from actors.uploads import MemoryUploads
from tests.support.agents import AGENTS
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ALICE, BOB, PUBLISHER, Limits, NurserySpawner, World
from transport.pipelines import Pipelines, PipelinesOptions

SMALL = Limits(sessions=SessionsOptions(sessions=3, messages=4, default_agent="echo"))


async def ask(world: World, session_id: str, *prompts: str) -> list[str]:
    """The tasks' ids, once all have ended."""
    started = [(await world.router.exec_session(ALICE, ExecSession(session_id, prompt))).exec_id for prompt in prompts]
    await world.tasks.wait_quiet()
    await wait_all_tasks_blocked()
    return started


def said(world: World, session_id: str) -> list[str]:
    return [message.content for message in world.sessions.find(ALICE, session_id).record.history.messages]


async def test_the_newest_messages_with_their_places(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, limits=SMALL) as world:
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        await ask(world, session_id, "one", "two", "three")
        page, view = world.sessions.messages(ALICE, session_id, 3, 10), world.sessions.find(ALICE, session_id).view()
        assert said(world, session_id) == ["two", "TWO", "three", "THREE"]
        assert len(await store.records("message")) == 4
    async with life(store, limits=SMALL) as world:
        assert world.sessions.messages(ALICE, session_id, 3, 10) == page
        assert world.sessions.find(ALICE, session_id).view() == view
        await ask(world, session_id, "four")
        assert said(world, session_id) == ["three", "THREE", "four", "FOUR"]


async def test_what_was_forgotten_or_taken_back_stays_so(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        session_id = (await world.router.create_session(ALICE, CreateSession(agent="echo"))).id
        await ask(world, session_id, "secret")
        world.sessions.find(ALICE, session_id).clear()
        _, bad = await ask(world, session_id, "fine", "wrong")
        redactor = Redactor(world.router, Feeds(NurserySpawner(world.nursery), world.channels))
        await redactor.redact(world.sessions.find(ALICE, session_id), TaskRedaction(bad, asked=True))
        await wait_all_tasks_blocked()
        kept = world.sessions.find(ALICE, session_id).record.history.messages
    async with life(store) as world:
        session = world.sessions.find(ALICE, session_id)
        assert session.record.history.messages == kept
        assert (session.record.history.first, said(world, session_id)) == (2, ["fine", "FINE", "", ""])
        view = world.tasks.find(ALICE, bad).view()
        assert (view.prompt, view.result) == ("", None)
    for kind in ("task", "message"):
        assert not any(b"wrong" in body.lower() for _, body in await store.records(kind))


async def test_what_is_taken_back_while_it_is_answered_stays_so(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        command = CreateTask(agent="forever", prompt="wrong", session_id=session_id)
        task_id = (await world.router.create_task(ALICE, command)).id
        await wait_all_tasks_blocked()
        redactor = Redactor(world.router, Feeds(NurserySpawner(world.nursery), world.channels))
        await redactor.redact(world.sessions.find(ALICE, session_id), TaskRedaction(task_id, asked=True))
        await wait_all_tasks_blocked()
    async with life(store) as world:
        await world.tasks.wait_quiet()
        messages = world.sessions.find(ALICE, session_id).record.history.messages
        assert [(message.content, message.redacted) for message in messages] == [("", True)]
        for key in (world.tasks.find(ALICE, task_id).key, world.sessions.find(ALICE, session_id).key):
            events = store.events(key)
            assert events
            assert not any(b"wrong" in event.body or b"begun" in event.body for event in events)


async def test_a_forgotten_conversation_leaves_nothing(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, limits=SMALL) as world:
        first = await world.router.open_session(ALICE, CreateSession(key="k"))
        await ask(world, first.id, "one")
        newer = [(await world.router.create_session(ALICE, CreateSession())).id for _ in range(3)]
    async with life(store, limits=SMALL) as world:
        assert [view.id for view in world.sessions.page(ALICE, None, 10).sessions] == newer[::-1]
        assert await store.records("message") == []
        assert store.events(first.key) == []


async def test_a_session_is_found_by_its_key(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        mine = await world.router.open_session(ALICE, CreateSession(key="k", title="mine"))
        others = await world.router.open_session(BOB, CreateSession(key="k"))
    async with life(store) as world:
        again = await world.router.open_session(ALICE, CreateSession(key="k"))
        assert (again.id, again.view().title) == (mine.id, "mine")
        assert {session.id for session in world.sessions.keyed("k")} == {mine.id, others.id}


async def test_a_key_publishes_once_over_a_restart(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    command = Publish("app", "news", draft("news", 1), idempotency_key="n/1")
    async with life(store, AGENTS) as world:
        await world.router.publish(PUBLISHER, Publish("app", "news", draft("news", 0)))
        first = await world.router.publish(PUBLISHER, command)
        assert not first.duplicate
    async with life(store, AGENTS) as world:
        await trio.sleep(200)
        again = await world.router.publish(PUBLISHER, command)
        assert (again.duplicate, again.position) == (True, first.position)
        await trio.sleep(200)
        later = await world.router.publish(PUBLISHER, command)
        assert (later.duplicate, later.position.offset) == (False, 3)


async def test_one_that_was_forgotten_while_somebody_held_it_stays_so(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, limits=SMALL) as world:
        held = await world.router.open_session(ALICE, CreateSession(key="k"))
        (said,) = await ask(world, held.id, "one")
        for _ in range(3):
            await world.router.create_session(ALICE, CreateSession())
        held.redact(TaskRedaction(said, asked=True))
        held.clear()
        await wait_all_tasks_blocked()
    assert held.id not in [name for name, _ in await store.records("session")]
    assert await store.records("message") == []


async def test_with_a_conversation_its_room_is_forgotten(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, limits=SMALL) as world:
        feeds = Feeds(NurserySpawner(world.nursery), world.channels, store=store)
        rooms = Pipelines(world.router, feeds, MemoryUploads(), PipelinesOptions())
        room = await rooms.room(ALICE, "support", "person")
        await world.router.exec_session(ALICE, ExecSession(room.session.id, "hello"))
        await world.tasks.wait_quiet()
        await wait_all_tasks_blocked()
        assert store.events(room.feed.key)
        assert await store.records(own_kind(room.feed.key))
        for _ in range(3):
            await world.router.create_session(ALICE, CreateSession())
        await wait_all_tasks_blocked()
    assert store.events(room.feed.key) == []
    assert await store.records(own_kind(room.feed.key)) == []
