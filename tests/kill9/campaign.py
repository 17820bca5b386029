"""An engine that is killed again and again while clients of three dialects follow what others publish."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import httpx2
import jwt
import msgspec
import trio

from tests.e2e.engine_process import PATIENCE, EngineProcess
from tests.kill9.checker import Checker, Kept, repetitions
from tests.kill9.clients import GatewaySocket, GatewayStream, RoomMember, StepsStream
from tests.kill9.crowd import Crowd
from tests.kill9.database import read_database
from tests.kill9.people import Absent, Chatter
from tests.kill9.promises import Canceller, Conversation, Promised, Steady, Tasks, Uploads
from tests.kill9.publishers import Gone, Publisher
from tests.kill9.record import Acknowledged
from tests.kill9.words import said
from tests.support.wallets import Wallet

BOARDS = ("first", "second")
ROOM = "lobby"
MEMBERS = ("ada", "bob")
WALLET = Wallet(9)
USERS = ("gus", "stella", *MEMBERS, WALLET.public_key)
SECRET = "a secret of 32 characters or more"
CONFIG = f"""
[auth]
required = true
[auth.jwt]
algorithm = "HS256"
secret = "{SECRET}"
[server]
drain_seconds = 1
[pipelines.support]
uuid = "support"
agent = "burst"
[limits]
commands_per_second = 10000
commands_burst = 10000
"""
LIFE = (0.0, 0.8)
"""Seconds from the moment when an engine is in use to its end."""
EARLY = 0.15
"""How many of the engines are killed before anybody has noticed that they are there, as a share."""

Mishap: TypeAlias = Callable[[Path, random.Random], bool]
"""What befalls the database between two engines. True where something is lost by it."""


class Result(msgspec.Struct, frozen=True):
    """`problems` is empty where all is well; the rest tells how much was tried."""

    problems: tuple[str, ...]
    acknowledged: int
    told: int
    gaps: int
    losses: int
    repeated: int
    tasks: int
    interrupted: int
    promises: int
    """Beside events: tasks, turns of conversations, files, messages of rooms, read marks, a wallet's news."""

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} events acknowledged, {self.told} told to clients, {self.tasks} tasks, {self.losses} "
            f"losses, {self.gaps} gaps, {self.repeated} repeated, {self.interrupted} tasks interrupted, "
            f"{self.promises} other promises kept"
        )


class Campaign:
    """`mishap` comes between two engines; without one nothing is ever lost, and no client may be told of a gap."""

    def __init__(self, folder: Path, seed: int, rounds: int, mishap: Mishap | None = None, *, config: str = "") -> None:
        self._folder = folder
        self._chance = random.Random(seed)
        self._rounds = rounds
        self._mishap = mishap
        self._path = folder / "callboard.db"
        self._losses = 0
        self._port = 0
        self._engine: EngineProcess | None = None
        self._troubles: list[str] = []
        (folder / "callboard.toml").write_text(CONFIG + config)

    async def run(self) -> Result:
        tokens = {user: _token(user) for user in USERS}
        engine = await self._start()
        self._port = engine.port
        try:
            async with self._crowd(engine.url, tokens) as crowd, trio.open_nursery() as nursery:
                crowd.come(nursery)
                async with trio.open_nursery() as publishers, trio.open_nursery() as promised:
                    for publisher in crowd.publishers:
                        publishers.start_soon(publisher.run)
                    for each in crowd.promised:
                        promised.start_soon(self._promise, each)
                    await self._kill_again_and_again(crowd)
                    promised.cancel_scope.cancel()
                    crowd.stop()
                with trio.move_on_after(PATIENCE):
                    await crowd.wait_level()
                await self._examine(crowd.promised)
                nursery.cancel_scope.cancel()
        finally:
            self._end()
        return self._judge(crowd)

    async def _kill_again_and_again(self, crowd: Crowd) -> None:
        for _ in range(self._rounds):
            with trio.move_on_after(PATIENCE):
                await crowd.wait_in_use()
            await trio.sleep(self._chance.uniform(*LIFE))
            self._end()
            if self._mishap is not None:
                self._losses += self._mishap(self._path, self._chance)
            while self._chance.random() < EARLY:
                self._engine = EngineProcess(self._folder, self._port)
                await trio.sleep(self._chance.uniform(*LIFE))
                self._end()
            await self._start()

    async def _promise(self, each: Promised) -> None:
        """Where something was lost, an engine may say that what it had promised is gone: then all begins anew."""
        while True:
            try:
                await each.run()
            except* Gone:
                if not self._losses:
                    raise

    async def _examine(self, promised: Sequence[Promised]) -> None:
        """Who waits for ever for what was promised is a problem too. Where something was lost, a promise may be."""
        for each in promised if self._mishap is None else ():
            with trio.move_on_after(PATIENCE) as patience:
                await each.examine()
            self._troubles += each.problems
            if patience.cancelled_caught:
                self._troubles.append(f"{type(each).__name__} waits for ever")

    async def _start(self) -> EngineProcess:
        self._engine = engine = EngineProcess(self._folder, self._port)
        engine.url = (await trio.to_thread.run_sync(engine.wait_log, "listening", abandon_on_cancel=True))["url"]
        return engine

    def _end(self) -> None:
        engine, self._engine = self._engine, None
        if engine is None:
            return
        engine.kill()
        self._troubles += [f"the engine says: {line}" for line in engine.log if line["level"] in ("error", "critical")]
        if engine.text:
            self._troubles.append(f"the engine says: {engine.text}")

    @asynccontextmanager
    async def _crowd(self, url: str, tokens: dict[str, str]) -> AsyncIterator[Crowd]:
        async with (
            _client(url, tokens["gus"]) as gus,
            _client(url, tokens["stella"]) as stella,
            _client(url, tokens[WALLET.public_key]) as wallet,
        ):
            yield Crowd(
                sockets=[GatewaySocket(f"socket {number}", url, tokens["gus"], BOARDS) for number in (1, 2)],
                streams=[
                    *(GatewayStream(f"stream of {board}", gus, board) for board in BOARDS),
                    *(StepsStream(f"steps {number}", stella, "stella") for number in (1, 2)),
                ],
                members=[RoomMember(name, httpx2.URL(url).port or 0, tokens[name], ROOM) for name in MEMBERS],
                publishers=[
                    Publisher(f"{board}-{number}", gus, board, random.Random(self._chance.random()))
                    for board in BOARDS
                    for number in (1, 2)
                ],
                promised=[
                    Tasks(gus, "burst", "200"),
                    Tasks(stella, "stepping", "50"),
                    Canceller(gus),
                    Steady(gus, self._folder, 3),
                    Conversation(gus),
                    Uploads(gus),
                    Chatter(gus),
                    Absent(wallet, WALLET),
                ],
            )

    def _judge(self, crowd: Crowd) -> Result:
        kept = read_database(self._path, said) if self._path.exists() else {}
        lossless = self._mishap is None
        durable, passing = Checker(lossless=lossless), Checker(lossless=False)
        told = 0
        for topic, record in crowd.records():
            told += len(record.entries)
            if topic.startswith(("task/", "steps/")):
                # A task's log is kept; after a restart it cannot be asked for by those who followed it.
                passing.check_record(topic, record, kept.get(topic), end=0, whole=False)
            else:
                durable.check_record(topic, record, kept.get(topic), end=crowd.end_of(topic))
        promises = crowd.acknowledged()
        durable.check_acknowledged(self._standing(promises, kept), kept)
        boards = [found for board in BOARDS if (found := kept.get(f"app/{board}")) is not None]
        if repeated := repetitions(boards):
            # A key is kept with its event: who asks again is told where it is.
            durable.problems.append(f"{repeated} events are there twice")
        tasks = [each for each in crowd.promised if isinstance(each, Tasks)]
        interrupted = [task_id for each in tasks for task_id in each.interrupted]
        durable.check_interrupted({f"task/{task_id}" for task_id in interrupted}, kept)
        return Result(
            problems=(*self._troubles, *durable.problems, *passing.problems),
            acknowledged=len(promises),
            told=told,
            gaps=durable.gaps + passing.gaps,
            losses=self._losses,
            repeated=repeated,
            tasks=sum(len(each.started) for each in tasks),
            interrupted=len(interrupted),
            promises=sum(each.kept for each in crowd.promised),
        )

    def _standing(self, promises: Sequence[Acknowledged], kept: dict[str, Kept]) -> Sequence[Acknowledged]:
        """Of what was taken back with a copy of the database, only those count that are of the present epoch."""
        if self._mishap is None:
            return promises
        return [one for one in promises if one.topic in kept and one.place.epoch == kept[one.topic].epoch]


def _client(url: str, token: str) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE, trust_env=False)


def _token(user: str) -> str:
    return jwt.encode({"sub": user, "scopes": ["publish"], "exp": 4_000_000_000}, SECRET, "HS256")
