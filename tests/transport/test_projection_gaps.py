"""What a wallet is told of a task of which not all is kept any more: all of it, or that some is gone."""

from __future__ import annotations

import json
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from actors.agent import Result, TaskContext
from actors.commands import ClaimTask, ConfirmStep, CreateTask, PostEvents, RegisterAgent
from actors.compactor import Compactor, CompactorOptions
from actors.event import ChannelKey, Merge, draft, now_ms
from actors.feeds import Feeds
from actors.lease import LeaseOptions
from actors.principal import Principal
from actors.retention import Retention
from actors.snapshots import Snapshots
from actors.tasks import TasksOptions
from tests.support.kept_core import KeptCore, kept_core
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ALICE, OPERATOR, Limits, NurserySpawner, World
from transport.dialects.wallet_projection import WalletProjection
from transport.wallet_identity import WalletIdentity
from transport.wallets import Wallets

FEED = ChannelKey("feed", "wallet", "alice")
TASK = ChannelKey("task", "t1", "alice")
KEPT = Retention(events=1000)
LIMITS = Limits(tasks=TasksOptions(lease=LeaseOptions(lease_seconds=1000, claim_seconds=1000)), confirm_seconds=300)
GONE = "[some of what was said here is no longer kept]"


def open_wallet(core: KeptCore) -> None:
    feed = core.feeds.open(FEED, KEPT, lambda: WalletProjection(0))
    core.feeds.follow(feed, "task", "alice", replay=True)


def history(store: MemoryStore) -> list[tuple[str, str]]:
    """As the newest message of the feed has it."""
    told: dict[str, Any] = json.loads(store.events(FEED)[-1].body)
    return [(entry["role"], entry["parts"][0]["text"]) for entry in told["task"]["history"]]


async def say(core: KeptCore, *pieces: str) -> None:
    for piece in pieces:
        await core.channels.publish(TASK, draft("agent.message", {"content": piece}, merge=Merge.TEXT))
    await wait_all_tasks_blocked()


async def begun(core: KeptCore) -> None:
    await core.channels.publish(
        TASK, draft("task.started", {}), draft("task.turn_started", {"turn": 1, "prompt": "go"})
    )


async def test_after_a_restart_what_the_retention_took_is_said_to_be_gone(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        open_wallet(core)
        await begun(core)
        await say(core, *"abcdef")
        core.channels.let_go(TASK, 4)
        await wait_all_tasks_blocked()
    async with kept_core(store) as core:
        open_wallet(core)
        await say(core, "g")
        await core.channels.publish(TASK, draft("task.completed", {"result": ""}))
        await trio.sleep(1)
        assert history(store) == [("system", GONE), ("agent", "cdefg")]


async def test_where_nothing_is_gone_nothing_is_said_of_it(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        open_wallet(core)
        await begun(core)
        await say(core, *"abc")
    async with kept_core(store) as core:
        open_wallet(core)
        await core.channels.publish(TASK, draft("task.completed", {"result": ""}))
        await trio.sleep(1)
        assert history(store) == [("user", "go"), ("agent", "abc")]


async def streaming(task: TaskContext) -> Result:
    await task.message("all ")
    await trio.sleep(10)
    await task.message("of it")
    return Result("")


def wallets_of(world: World, store: MemoryStore) -> tuple[Wallets, Feeds]:
    feeds = Feeds(NurserySpawner(world.nursery), world.channels, store=store)
    return Wallets(world.router, feeds, WalletIdentity(require_signature=False), 10.0), feeds


async def test_a_wallet_that_is_away_has_a_task_before_it_is_compacted(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    agents = {"streaming": streaming}
    async with life(store, agents) as world:
        wallets, _ = wallets_of(world, store)
        wallets.feed(Principal("alice"))
        await trio.sleep(1)
    async with life(store, agents) as world:
        # Nobody has opened its feed when the task runs, ends and is compacted.
        _, feeds = wallets_of(world, store)
        task_id = (await world.router.create_task(ALICE, CreateTask(agent="streaming", prompt="go"))).id
        await world.tasks.wait_quiet()
        keeping = world.keeping
        assert keeping is not None
        snapshots = Snapshots(world.channels, store)
        options = CompactorOptions(seconds=10)
        compactor = Compactor(world.channels, snapshots, keeping.journal, options, take_in=feeds.take_in)
        await compactor.round(now_ms() + 60_000)
        key = world.tasks.find(ALICE, task_id).key
        assert world.channels.log(key).holes
        assert not any(event.event_type == "agent.message" for event in store.events(key))
        assert history(store) == [("user", "go"), ("agent", "all of it")]
        used = [name for name, _ in await store.records("feed wallet alice") if name == "used"]
        assert used == ["used"]


async def test_a_question_whose_event_is_gone_is_asked_after_a_restart(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, {}, LIMITS) as world:
        wallets, _ = wallets_of(world, store)
        wallets.feed(Principal("alice"))
        await world.router.register_agent(OPERATOR, RegisterAgent("helper", ""))
        task_id = (await world.router.create_task(ALICE, CreateTask(agent="helper", prompt="go"))).id
        await wait_all_tasks_blocked()
        await world.router.command_task(OPERATOR, ClaimTask(task_id))
        asked = (draft("step.confirm", {"step_id": "s1", "reason": "May I?"}), draft("note", 1))
        await world.router.command_task(OPERATOR, PostEvents(task_id, asked))
        await trio.sleep(1)
        world.channels.let_go(world.tasks.find(ALICE, task_id).key, 3)
        await trio.sleep(1)
    async with life(store, {}, LIMITS) as world:
        wallets, _ = wallets_of(world, store)
        await wallets.ready(Principal("alice"))
        (update,) = wallets.catch_up(wallets.feed(Principal("alice")))
        told = json.loads(update.body)["task"]
        assert (told["status"]["state"], told["status"]["message"]) == ("input-required", "May I?")
        assert "s1" in json.dumps(told)
        await world.router.command_task(ALICE, ConfirmStep(task_id, "s1", approved=True))
        await trio.sleep(1)
        assert wallets.catch_up(wallets.feed(Principal("alice"))) == []
