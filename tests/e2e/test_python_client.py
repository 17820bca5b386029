"""The Python client against a real engine, over a connection that is cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import trio

from callboard_client import (
    Backoff,
    Client,
    Completed,
    Event,
    Gap,
    Position,
    Question,
    Replaced,
    RequestRefused,
    TaskCancelled,
    TaskFailed,
    Text,
    connect,
)
from tests.e2e.conftest import Token
from tests.e2e.engine_process import PATIENCE, EngineProcess, engine_process
from tests.support.relay import Relay, start_relay

SWIFT = Backoff(first=0.01, ceiling=0.05)


@pytest.fixture
async def relay(engine: EngineProcess, nursery: trio.Nursery) -> Relay:
    return await start_relay(nursery, engine.url)


@pytest.fixture
async def alice(engine: EngineProcess, token: Token) -> AsyncIterator[Client]:
    async with connect(engine.url, token("alice")) as client:
        yield client


async def test_a_task_is_followed_over_many_cuts(engine: EngineProcess, token: Token, relay: Relay) -> None:
    text, before = "", 0
    drops: list[str] = []
    tell: Callable[[str, float], None] = lambda reason, _seconds: drops.append(reason)  # noqa: E731  # typed
    with trio.fail_after(PATIENCE):
        async with connect(relay.url, token("alice"), backoff=SWIFT, on_drop=tell) as client:
            receipt = await client.create("burst", "400")
            async with client.subscribe("task", receipt.task_id, since=receipt.position) as events:
                async for event in events:
                    assert isinstance(event, Event)
                    assert event.first == before + 1
                    before = event.position.offset
                    if event.event_type == "agent.message":
                        text += event.data["content"]
                    if before in (20, 90, 160):
                        relay.cut()
                    if event.event_type == "task.completed":
                        break
    assert text == "".join(f"{number} " for number in range(1, 401))
    assert relay.accepted >= 2
    assert len(drops) == relay.accepted - 1


async def test_a_run_asks_and_is_answered(alice: Client) -> None:
    async with alice.run("asking", "s1") as run:
        async for event in run:
            if isinstance(event, Question):
                await run.confirm(event.step_id, True)
        assert run.outcome == Completed("yes")


async def test_a_device_that_comes_later_is_asked_too(engine: EngineProcess, token: Token, alice: Client) -> None:
    async with alice.run("asking", "s1") as run:
        async for event in run:
            if isinstance(event, Question):
                break
        async with (
            connect(engine.url, token("alice")) as tablet,
            tablet.subscribe("task", run.task_id) as events,
        ):
            asked = await anext(events)
            assert isinstance(asked, Event)
            assert asked.event_type == "step.confirm"
            await tablet.confirm(run.task_id, asked.data["step_id"], False)
            assert (await run.result()).result == "no"
            with pytest.raises(RequestRefused) as late:
                await tablet.confirm(run.task_id, "s1", True)
            assert late.value.code == "EXEC_FAILED"


async def test_turns_and_cancel(alice: Client) -> None:
    async with alice.run("patient", "one") as run:
        said: list[str] = []
        async for event in run:
            if isinstance(event, Text):
                said.append(event.content)
                await (run.append_turn("two") if len(said) == 1 else run.cancel())
        assert said == ["turn 1: one", "turn 2: two"]
        with pytest.raises(TaskCancelled, match="requested"):
            await run.result()
    assert (await alice.cancel(run.task_id)).state == "cancelled"


async def test_a_failure_is_raised(alice: Client) -> None:
    async with alice.run("offline", "fail: no luck") as run:
        with pytest.raises(TaskFailed, match="no luck") as failed:
            await run.result()
        assert failed.value.cause == "requested"


async def test_a_chat_remembers(engine: EngineProcess, token: Token, relay: Relay) -> None:
    async with connect(relay.url, token("alice"), backoff=SWIFT) as client:
        session = await client.create_session(title="sums", agent="offline")
        chat = client.chat(session)
        async with client.subscribe("session", session) as events:
            async with chat.say("what is 6*7?") as answer:
                pieces = [await anext(answer)]
                relay.cut()
                pieces += [piece async for piece in answer]
            assert "".join(pieces) == "6*7 = 42"
            assert relay.accepted == 3  # one of them for HTTP
            async with chat.say("please confirm: 2+2") as answer:
                with pytest.raises(TaskFailed, match="declined"):
                    await answer.text()
            async with chat.say("what is 6*8?") as answer:
                assert await answer.text() == "Earlier you asked 2 times, last: “please confirm: 2+2”.\n6*8 = 48"
                assert answer.gaps == []
            seen = [await anext(events) for _ in range(4)]
        told = {event.event_type for event in seen if isinstance(event, Event)}
        assert told <= {"input", "output", "message", "done"}


async def test_a_command_in_a_session(alice: Client) -> None:
    session = await alice.create_session(agent="offline")
    output = ""
    async with alice.subscribe("session", session) as events:
        started = await alice.exec(session, "what is 2*3?")
        async for event in events:
            assert isinstance(event, Event)
            if event.event_type == "output":
                assert event.data["exec_id"] == started.exec_id
                output += event.data["content"]
            elif event.event_type == "done":
                break
    assert output == "2*3 = 6"


async def test_all_tasks_and_the_system(alice: Client) -> None:
    async with alice.subscribe("task") as tasks, alice.subscribe("system", "tasks") as system:
        receipt = await alice.create("burst", "3")
        announced = await anext(system)
        assert isinstance(announced, Event)
        assert announced.data["task_id"] == receipt.task_id
        async for event in tasks:
            if isinstance(event, Event) and event.topic == receipt.task_id and event.event_type == "task.completed":
                break


async def test_the_same_device_replaces_its_older_connection(engine: EngineProcess, token: Token) -> None:
    key = token("alice")
    async with connect(engine.url, key, device_id="phone") as older:
        async with (
            older.subscribe("task", since={}) as events,
            connect(engine.url, key, device_id="phone") as newer,
        ):
            with pytest.raises(Replaced):
                await anext(events)
            await newer.ping()
        with pytest.raises(Replaced):
            await older.ping()


async def test_another_life_of_the_engine(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("restarted")
    config = '[auth]\nrequired = false\n[server]\ndrain_seconds = 1\n[store]\npath = ":memory:"\n'
    with engine_process(folder, config) as first:
        port = first.port
        async with connect(first.url, backoff=SWIFT) as client, client.subscribe("app", "news", since="0") as events:
            before = events.positions["news"]
            assert await trio.to_thread.run_sync(first.stop) == 0
            with engine_process(folder, config, port=port):
                told = await anext(events)
                assert isinstance(told, Gap)
                assert told.reason == "epoch"
                assert isinstance(told.position, Position)
                assert told.position.epoch != before.epoch
                await client.ping()
