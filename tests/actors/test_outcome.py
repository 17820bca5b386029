"""What an agent can raise, and what becomes of it: its own failure stays its own."""

from __future__ import annotations

import sys

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.agent import Result, TaskContext
from actors.commands import CreateTask, TaskState
from actors.outcome import Raised, Returned, outcome_of
from tests.support.agents import AGENTS
from tests.support.world import ALICE, World


class OddityError(BaseException):
    """What a library may derive from the root of all exceptions."""


def nothing_else(error: BaseException) -> None:
    raise AssertionError(f"reported beside the outcome: {error!r}")


@pytest.mark.parametrize("error", [ValueError("v"), SystemExit(3), OddityError("o")], ids=repr)
async def test_raises(error: BaseException) -> None:
    async def run() -> int:
        raise error

    assert await outcome_of(run, nothing_else) == Raised(error)


@pytest.mark.parametrize("error", [ValueError("v"), SystemExit(3)], ids=repr)
async def test_raises_in_a_nursery(error: BaseException) -> None:
    """A nursery wraps it in a group: told is the one error in it."""

    async def raises() -> None:
        raise error

    async def run() -> int:
        async with trio.open_nursery() as outer, trio.open_nursery() as inner:
            outer.start_soon(trio.sleep_forever)
            inner.start_soon(raises)
        return 1

    assert await outcome_of(run, nothing_else) == Raised(error)


async def test_returns() -> None:
    async def run() -> int:
        return 7

    assert await outcome_of(run, nothing_else) == Returned(7)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit])
async def test_what_passes(kind: type[BaseException]) -> None:
    async def run() -> int:
        raise kind

    with pytest.raises(kind):
        await outcome_of(run, nothing_else)


async def test_cancelled_and_failed_as_well() -> None:
    also: list[BaseException] = []

    async def fails_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            sys.exit(4)

    async def run() -> int:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(fails_when_cancelled)
        return 1

    with trio.CancelScope() as scope:
        scope.cancel()
        await outcome_of(run, also.append)
    assert scope.cancelled_caught
    assert [type(error) for error in also] == [SystemExit]


async def quits(task: TaskContext) -> Result:
    sys.exit("bad arguments")


async def test_an_agent_that_calls_exit_ends_its_task_alone(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, {**AGENTS, "quits": quits})
        bystander = await world.router.create_task(ALICE, CreateTask(agent="forever", prompt=""))
        view = await world.router.create_task(ALICE, CreateTask(agent="quits", prompt=""))
        task = world.tasks.find(ALICE, view.id)
        await wait_all_tasks_blocked()
        ended = task.view()
        assert ended.state is TaskState.FAILED
        assert ended.error is not None
        assert (ended.error.cause, ended.error.message) == ("agent_crashed", "SystemExit: bad arguments")
        assert world.tasks.find(ALICE, bystander.id).view().state is TaskState.RUNNING
        nursery.cancel_scope.cancel()
