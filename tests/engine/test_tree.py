"""The whole engine in this process, on a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import msgspec
import trio

from actors.agent import Result, TaskContext
from engine.config import Config, Limits, Server, Store
from engine.core import Core
from engine.extensions import open_extensions
from engine.front import Front
from engine.rounds import Rounds
from engine.tickets import TicketOffice
from engine.tree import make_tree


async def quits(task: TaskContext) -> Result:
    raise SystemExit(3)


@asynccontextmanager
async def running_engine(directory: Path, limits: Limits) -> AsyncIterator[tuple[httpx2.AsyncClient, Core]]:
    config = Config(server=Server(port=0), store=Store(path=directory / "callboard.db"), limits=limits)
    async with open_extensions(config) as opened, trio.open_nursery() as nursery:
        extensions = msgspec.structs.replace(opened, agents={**opened.agents, "quits": quits})
        core = Core(config, extensions)
        front = Front(config, core, extensions.verifier, TicketOffice(trio.current_time))
        await nursery.start(make_tree(core, front, Rounds(core, (core.rooms.round, front.pipelines.round))).run)
        (address, *_) = front.listener.addresses
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{address[1]}", trust_env=False) as client:
            yield client, core
        nursery.cancel_scope.cancel()


async def test_what_actors_report_is_in_the_metrics(tmp_path: Path) -> None:
    async with running_engine(tmp_path, Limits()) as (client, core):
        await client.post("/api/v1/tasks", json={"agent": "quits", "prompt": ""})
        await core.tasks.wait_quiet()
        figures = (await client.get("/metrics")).text
        assert 'callboard_reports_total{kind="AgentCrashed"} 1.0' in figures


async def test_the_rate_of_requests_is_not_that_of_commands(tmp_path: Path) -> None:
    limits = Limits(commands_per_second=1, commands_burst=1, requests_burst=3)
    async with running_engine(tmp_path, limits) as (client, _):
        statuses = [(await client.get("/api/v1/tools")).status_code for _ in range(3)]
        assert statuses == [200, 200, 200]


async def test_the_rate_of_requests(tmp_path: Path) -> None:
    async with running_engine(tmp_path, Limits(requests_per_second=0.001, requests_burst=1)) as (client, _):
        assert (await client.get("/api/v1/tools")).status_code == 200
        refused = await client.get("/api/v1/tools")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
        assert int(refused.headers["retry-after"]) > 900
