"""`samples/realtime_agent.py`, run as its users run it, and the engine inside a program."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import trio
from trio_websocket import open_websocket_url

from actors.child import StartFailed
from actors.principal import Principal
from engine.config import Config, Server, Store
from engine.embedded import run_embedded
from tests.e2e.engine_process import environment
from tests.support.steps import StepsSocket
from transport.dialects.steps import SubmitTask

SCRIPT = Path(__file__).parents[1] / "samples" / "realtime_agent.py"


async def test_the_sample_is_told_its_greeting_and_its_task_to_the_end(tmp_path: Path) -> None:
    with trio.fail_after(30):
        ended = await trio.run_process(
            [sys.executable, str(SCRIPT), "What is 6*7?"],
            cwd=tmp_path,
            env={**environment(), "PORT": "0"},
            capture_stdout=True,
            capture_stderr=True,
        )
    assert ended.stderr == b""
    said = [json.loads(line) for line in ended.stdout.decode().splitlines() if line.startswith("{")]
    kinds = [message["type"] for message in said]
    assert (kinds[0], said[0]["data"]) == ("greeting", {"text": "hello, everybody"})
    assert kinds.index("plan:created") < kinds.index("step:complete") < kinds.index("task:complete")
    assert "42" in said[kinds.index("task:complete")]["data"]["output"]


def config(tmp_path: Path, port: int = 0) -> Config:
    return Config(server=Server(port=port), store=Store(path=tmp_path / "callboard.db"))


async def test_what_the_program_says_and_submits_its_clients_are_told(tmp_path: Path) -> None:
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            engine = await nursery.start(run_embedded, config(tmp_path))
            ((_, port),) = engine.addresses
            async with open_websocket_url(f"ws://127.0.0.1:{port}/ws") as socket:
                client = StepsSocket(socket)
                await client.until_status("idle")
                agent = engine.realtime_agent("anonymous")
                await agent.broadcast("greeting", {"text": "hello"})
                assert (await client.until("greeting"))["data"] == {"text": "hello"}
                view = await agent.submit(Principal("anonymous"), SubmitTask("What is 6*7?", {}))
                complete = await client.until("task:complete")
                assert (complete["data"]["taskId"], complete["data"]["success"]) == (view.id, True)
            nursery.cancel_scope.cancel()


async def test_why_an_engine_does_not_start_is_the_programs_to_know(tmp_path: Path) -> None:
    other_path = tmp_path / "other"
    other_path.mkdir()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            engine = await nursery.start(run_embedded, config(tmp_path))
            ((_, port),) = engine.addresses
            with pytest.RaisesGroup(StartFailed, flatten_subgroups=True):
                async with trio.open_nursery() as other:
                    await other.start(run_embedded, config(other_path, port))
            nursery.cancel_scope.cancel()
