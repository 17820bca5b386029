"""The Python client when the engine is killed and another one comes in its place: nothing is passed over in silence."""

from __future__ import annotations

import pytest
import trio

from callboard_client import Backoff, Event, Failed, Gap, RequestRefused, Started, connect
from tests.e2e.engine_process import PATIENCE, engine_process

SWIFT = Backoff(first=0.01, ceiling=0.05)
OPEN = "[auth]\nrequired = false\n[server]\ndrain_seconds = 1\n"


async def test_what_was_followed_is_a_gap_or_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("killed")
    forgetful = OPEN + '[store]\npath = ":memory:"\n'
    with engine_process(folder, forgetful) as first, trio.fail_after(PATIENCE):
        async with (
            connect(first.url, backoff=SWIFT) as client,
            client.subscribe("system") as system,
            client.subscribe("task") as all_tasks,
            client.run("patient", "one") as run,
        ):
            created = await anext(system)
            assert isinstance(created, Event)
            assert created.event_type == "task.created"
            heard = await anext(all_tasks)
            assert heard.topic == run.task_id
            first.process.kill()
            with engine_process(folder, forgetful, port=first.port):
                told = [await anext(system) for _ in range(len(system.positions))]
                assert {gap.reason for gap in told if isinstance(gap, Gap)} == {"epoch"}
                assert len({gap.topic for gap in told}) == len(told)
                with pytest.raises(RequestRefused) as refused:
                    await run.result()
                assert refused.value.code == "NOT_FOUND"
                while not isinstance(heard, Gap):
                    heard = await anext(all_tasks)
                assert (heard.topic, heard.reason) == (run.task_id, "gone")
                assert (await client.create("burst", "1")).state


async def test_what_was_followed_goes_on_where_it_is_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("kept")
    with engine_process(folder, OPEN) as first, trio.fail_after(PATIENCE):
        async with (
            connect(first.url, backoff=SWIFT) as client,
            client.subscribe("system", "tasks") as news,
            client.run("patient", "one") as run,
        ):
            assert isinstance(await anext(news), Event)
            events = aiter(run)
            # One that has not begun yet would begin after the restart.
            assert isinstance(await anext(events), Started)
            first.process.kill()
            with engine_process(folder, OPEN, port=first.port):
                told = [event async for event in events]
                assert not any(isinstance(one, Gap) for one in told)
                assert isinstance(told[-1], Failed)
                assert told[-1].cause == "interrupted"
                next_task = (await client.create("burst", "1")).task_id
                again = await anext(news)
                assert isinstance(again, Event)
                assert again.data["task_id"] == next_task
