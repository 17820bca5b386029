from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.channels_options import ChannelsOptions
from actors.commands import (
    AppendTurn,
    CancelTask,
    ConfirmStep,
    CreateBatch,
    CreateSession,
    CreateTask,
    ExecSession,
    Publish,
    RegisterAgent,
    TaskCommand,
    TaskQuery,
)
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, draft
from actors.position import Position
from actors.principal import Principal
from actors.resumption import Gap
from actors.tasks import TasksOptions
from tests.support.agents import AGENTS
from tests.support.drafts import fact, read_back
from tests.support.spawners import MortalSpawner
from tests.support.world import ADMIN, ALICE, BOB, OPERATOR, PUBLISHER, Limits, World

ANYBODY = {"alice", "bob", "root"}
"""The two users and the admin of the matrix."""


async def populated(world: World) -> dict[str, str]:
    """Alice's task, session and batch, and the operator's agent."""
    router = world.router
    await router.register_agent(OPERATOR, RegisterAgent("far", ""))
    session = await router.create_session(ALICE, CreateSession())
    task = await router.create_task(ALICE, CreateTask(agent="forever", prompt="hi"))
    batch = await router.create_batch(ALICE, CreateBatch((CreateTask(agent="echo", prompt="hi"),)))
    await wait_all_tasks_blocked()
    return {"task": task.id, "session": session.id, "batch": batch.id, "agent": "far"}


def outcome(principal: Principal, world: World, channel: str, topic: str) -> ErrorCode | None:
    try:
        world.router.resolve(principal, channel, topic)
    except CallboardError as refused:
        return refused.code
    return None


@pytest.mark.parametrize(
    ("channel", "topic", "seen_by", "otherwise"),
    [
        ("task", "task", {"alice", "root"}, ErrorCode.NOT_FOUND),
        ("session", "session", {"alice", "root"}, ErrorCode.NOT_FOUND),
        ("agent", "agent", {"root"}, ErrorCode.NOT_FOUND),
        ("app", "anything", ANYBODY, None),
        ("system", "tasks", ANYBODY, None),
        ("system", "agents", ANYBODY, None),
        ("system", "sessions", ANYBODY, None),
        ("system", "batches", ANYBODY, None),
        ("system", "alerts", ANYBODY, None),
        ("system", "stats", {"root"}, ErrorCode.FORBIDDEN),
        ("system", "nonsense", set(), ErrorCode.NOT_FOUND),
        ("task", "task-0", set(), ErrorCode.NOT_FOUND),
        ("nonsense", "x", set(), ErrorCode.INVALID_CHANNEL),
        ("app", "no spaces", set(), ErrorCode.INVALID_PAYLOAD),
    ],
)
async def test_who_sees_what(
    autojump_clock: trio.abc.Clock, channel: str, topic: str, seen_by: set[str], otherwise: ErrorCode | None
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        topic = (await populated(world)).get(topic, topic)
        for principal in (ALICE, BOB, ADMIN):
            expected = None if principal.user_id in seen_by else otherwise
            assert outcome(principal, world, channel, topic) is expected, principal.user_id
        nursery.cancel_scope.cancel()


async def test_who_commands_what(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        ids = await populated(world)
        commands: tuple[TaskCommand, ...] = (
            AppendTurn(ids["task"], "more"),
            ConfirmStep(ids["task"], "s", True),
            CancelTask(ids["task"]),
        )
        for command in commands:
            with pytest.raises(CallboardError, match="no task"):
                await world.router.command_task(BOB, command)
        with pytest.raises(CallboardError, match="no session"):
            await world.router.exec_session(BOB, ExecSession(ids["session"], "hi"))
        with pytest.raises(CallboardError, match="no session"):
            await world.router.create_task(BOB, CreateTask(agent="echo", prompt="x", session_id=ids["session"]))
        with pytest.raises(CallboardError, match="no batch"):
            world.router.batches.find(BOB, ids["batch"])
        assert world.router.batches.find(ADMIN, ids["batch"]).user_id == "alice"
        assert world.tasks.page(BOB, TaskQuery()).tasks == ()
        assert len(world.tasks.page(ADMIN, TaskQuery()).tasks) == 2
        receipt = await world.router.command_task(ADMIN, CancelTask(ids["task"]))
        assert receipt.cancel_requested
        nursery.cancel_scope.cancel()


async def test_an_admins_task_in_somebodys_session_belongs_to_the_session(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        session_id = (await populated(world))["session"]
        view = await world.router.create_task(ADMIN, CreateTask(agent="echo", prompt="x", session_id=session_id))
        assert view.user_id == "alice"
        assert world.tasks.find(ALICE, view.id).record.user_id == "alice"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("principal", "channel", "topic", "event_type", "code"),
    [
        (ALICE, "app", "news", "fact", ErrorCode.FORBIDDEN),
        (PUBLISHER, "app", "news", "fact", None),
        (PUBLISHER, "app", "news", "task.completed", ErrorCode.INVALID_PAYLOAD),
        (PUBLISHER, "app", "news", "gap", ErrorCode.INVALID_PAYLOAD),
        (PUBLISHER, "system", "alerts", "fact", ErrorCode.FORBIDDEN),
        (ADMIN, "system", "alerts", "fact", None),
        (PUBLISHER, "task", "task", "fact", ErrorCode.NOT_FOUND),
        (ADMIN, "task", "task", "fact", None),
        (ADMIN, "session", "session", "fact", None),
        (ADMIN, "agent", "agent", "fact", None),
        (PUBLISHER, "agent", "agent", "fact", ErrorCode.NOT_FOUND),
    ],
)
async def test_who_publishes_what(
    autojump_clock: trio.abc.Clock,
    principal: Principal,
    channel: str,
    topic: str,
    event_type: str,
    code: ErrorCode | None,
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        topic = (await populated(world)).get(topic, topic)
        one = draft(event_type, 1)
        command = Publish(channel, topic, one)
        if code is None:
            published = await world.router.publish(principal, command)
            page = await world.router.history(ADMIN, channel, topic, "oldest", 1000)
            assert page.events[-1].event_type == event_type
            assert page.position == published.position
        else:
            with pytest.raises(CallboardError) as refused:
                await world.router.publish(principal, command)
            assert refused.value.code is code
        nursery.cancel_scope.cancel()


async def test_the_same_key_publishes_once(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        results = []

        async def publish(principal: Principal = PUBLISHER) -> None:
            results.append(await world.router.publish(principal, Publish("app", "news", fact(1), "key")))

        # Two at once, one later, one of another user, one after the key is forgotten.
        nursery.start_soon(publish)
        nursery.start_soon(publish)
        await wait_all_tasks_blocked()
        await trio.sleep(299)
        await publish()
        await publish(ADMIN)
        await trio.sleep(2)
        await publish()
        assert sorted((one.position.offset, one.duplicate) for one in results) == [
            (1, False),
            (1, True),
            (1, True),
            (2, False),
            (3, False),
        ]
        nursery.cancel_scope.cancel()


async def test_a_first_request_that_fails_gives_its_key_back(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, Limits(channels=ChannelsOptions(mailbox=1, publish_seconds=3.0, in_place=-1)))
        spawner = world.channels._factory._supervisor = MortalSpawner(nursery)
        await world.router.publish(PUBLISHER, Publish("app", "news", fact(0)))
        spawner.lose_all()
        await wait_all_tasks_blocked()
        await world.channels.emit(ChannelKey("app", "news"), fact(1))
        refused: list[ErrorCode] = []

        async def publish() -> None:
            with pytest.raises(CallboardError) as error:
                await world.router.publish(PUBLISHER, Publish("app", "news", fact(2), "key"))
            refused.append(error.value.code)

        nursery.start_soon(publish)
        nursery.start_soon(publish)
        await trio.sleep(4)
        assert refused == [ErrorCode.BUSY, ErrorCode.BUSY]
        world.channels.revive()
        again = await world.router.publish(PUBLISHER, Publish("app", "news", fact(2), "key"))
        assert (again.position.offset, again.duplicate) == (3, False)
        nursery.cancel_scope.cancel()


async def test_news_goes_to_the_owner_and_to_admins(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        sinks = []
        for principal in (ALICE, BOB, ADMIN):
            connection, sink = world.connect(principal)
            world.watch(connection, "system")
            sinks.append(sink)
        await populated(world)
        await world.router.alert("alert", {"message": "disk full"})
        await wait_all_tasks_blocked()
        heard = [[read_back(line).event_type for line in sink.lines] for sink in sinks]
        private = ["session.created", "task.created", "task.created", "batch.created"]
        assert heard[0] == heard[2] == ["agent.created", *private, "alert"]
        assert heard[1] == ["agent.created", "alert"]
        nursery.cancel_scope.cancel()


async def test_history_is_paged_by_position(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        for number in range(5):
            await world.router.publish(PUBLISHER, Publish("app", "news", fact(number)))
        first = await world.router.history(ALICE, "app", "news", "oldest", 3)
        assert ([event.data for event in first.events], first.more) == ([0, 1, 2], True)
        rest = await world.router.history(ALICE, "app", "news", first.position, 3)
        assert ([event.data for event in rest.events], rest.more, rest.gap) == ([3, 4], False, None)
        epoch = rest.position.epoch
        assert (await world.router.history(ALICE, "app", "news", "live", 3)).position == Position(epoch, 5)
        other = await world.router.history(ALICE, "app", "news", Position("other", 2), 10)
        assert other.gap == Gap(epoch, 1, 0, "epoch")
        assert len(other.events) == 5
        nursery.cancel_scope.cancel()


async def test_tasks_are_listed_newest_first(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, Limits(tasks=TasksOptions(running=3)))
        ids = [(await world.router.create_task(ALICE, CreateTask(agent="forever", prompt=str(n)))).id for n in range(3)]
        with pytest.raises(CallboardError) as refused:
            await world.router.create_task(ALICE, CreateTask(agent="echo", prompt="one too many"))
        assert refused.value.code is ErrorCode.BUSY
        assert refused.value.retry_after is not None
        page = world.tasks.page(ALICE, TaskQuery(limit=2))
        assert [view.id for view in page.tasks] == [ids[2], ids[1]]
        rest = world.tasks.page(ALICE, TaskQuery(limit=2, after=page.next))
        assert ([view.id for view in rest.tasks], rest.next) == ([ids[0]], None)
        nursery.cancel_scope.cancel()
