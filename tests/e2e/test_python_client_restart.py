"""The Python client when the engine is killed and another one comes in its place: nothing is passed over in silence."""

from __future__ import annotations

import pytest
import trio

from callboard_client import Backoff, Event, Gap, Position, RequestRefused, connect
from tests.e2e.engine_process import PATIENCE, engine_process

SWIFT = Backoff(first=0.01, ceiling=0.05)
OPEN = "[auth]\nrequired = false\n[server]\ndrain_seconds = 1\n"


async def test_what_was_followed_is_a_gap_or_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("killed")
    with engine_process(folder, OPEN) as first, trio.fail_after(PATIENCE):
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
            with engine_process(folder, OPEN, port=first.port):
                with pytest.raises(RequestRefused) as refused:
                    await run.result()
                assert refused.value.code == "NOT_FOUND"
                while not isinstance(heard, Gap):
                    heard = await anext(all_tasks)
                assert (heard.topic, heard.reason) == (run.task_id, "gone")
                assert (await client.create("burst", "1")).state
                # This topic was kept: it goes on where it was, without a gap.
                while (again := await anext(system)).topic != created.topic:
                    pass
                assert isinstance(again, Event)
                assert again.position == Position(created.position.epoch, created.position.offset + 1)
