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
from tests.kill9.clients import Follower, GatewaySocket, GatewayStream, RoomMember, StepsStream
from tests.kill9.database import read_database
from tests.kill9.publishers import Publisher, Starter
from tests.kill9.record import Acknowledged, Place, Record
from tests.kill9.words import said

BOARDS = ("first", "second")
ROOM = "lobby"
MEMBERS = ("ada", "bob")
USERS = ("gus", "stella", *MEMBERS)
SECRET = "a secret of 32 characters or more"
CONFIG = f"""
[auth]
required = true
[auth.jwt]
algorithm = "HS256"
secret = "{SECRET}"
[server]
drain_seconds = 1
[limits]
commands_per_second = 10000
commands_burst = 10000
"""
LIFE = (0.05, 0.9)
"""Seconds from the first word of an engine to its end."""
EARLY = 0.15
"""How many of the engines are killed before they have said a word, as a share."""

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

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} events acknowledged, {self.told} told to clients, {self.tasks} tasks, {self.losses} "
            f"losses, {self.gaps} gaps, {self.repeated} repeated after an answer that got lost"
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
            async with _crowd(engine.url, tokens, self._chance) as crowd, trio.open_nursery() as nursery:
                crowd.come(nursery)
                async with trio.open_nursery() as publishers:
                    for publisher in crowd.publishers:
                        publishers.start_soon(publisher.run)
                    await self._kill_again_and_again()
                    crowd.stop()
                with trio.move_on_after(PATIENCE):
                    await crowd.wait_level()
                nursery.cancel_scope.cancel()
        finally:
            self._end()
        return self._judge(crowd)

    async def _kill_again_and_again(self) -> None:
        for _ in range(self._rounds):
            await trio.sleep(self._chance.uniform(*LIFE))
            self._end()
            if self._mishap is not None:
                self._losses += self._mishap(self._path, self._chance)
            while self._chance.random() < EARLY:
                self._engine = EngineProcess(self._folder, self._port)
                await trio.sleep(self._chance.uniform(*LIFE))
                self._end()
            await self._start()

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
        problems = (*self._troubles, *durable.problems, *passing.problems)
        boards = [found for board in BOARDS if (found := kept.get(f"app/{board}")) is not None]
        tasks = sum(len(starter.started) for starter in crowd.starters)
        gaps = durable.gaps + passing.gaps
        return Result(problems, len(promises), told, gaps, self._losses, repetitions(boards), tasks)

    def _standing(self, promises: Sequence[Acknowledged], kept: dict[str, Kept]) -> Sequence[Acknowledged]:
        """Of what was taken back with a copy of the database, only those count that are of the present epoch."""
        if self._mishap is None:
            return promises
        return [one for one in promises if one.topic in kept and one.place.epoch == kept[one.topic].epoch]


class Crowd(msgspec.Struct, frozen=True):
    """All who use the engine."""

    sockets: Sequence[GatewaySocket]
    streams: Sequence[Follower]
    members: Sequence[RoomMember]
    publishers: Sequence[Publisher]
    starters: Sequence[Starter]

    @property
    def followers(self) -> list[GatewaySocket | Follower]:
        return [*self.sockets, *self.streams, *self.members]

    def come(self, nursery: trio.Nursery) -> None:
        """All but the publishers, who have an end of their own."""
        for each in self.followers:
            nursery.start_soon(each.run)
        for starter in self.starters:
            nursery.start_soon(starter.run)

    def stop(self) -> None:
        """From each one more event, which is the last."""
        for publisher in self.publishers:
            publisher.stop()
        for member in self.members:
            member.stop()

    async def wait_level(self) -> None:
        """Returns once everybody has been told all that was acknowledged."""
        for member in self.members:
            await member.done.wait()
        for topic, record in self.records():
            if (last := self._last(topic)) is not None:
                await record.wait_reached(last)

    def records(self) -> list[tuple[str, Record]]:
        return [(topic, record) for each in self.followers for topic, record in each.records.items()]

    def acknowledged(self) -> list[Acknowledged]:
        talkers: list[Publisher | RoomMember] = [*self.publishers, *self.members]
        return [one for each in talkers for one in each.acknowledged]

    def end_of(self, topic: str) -> int:
        """How far everybody must have come: members of a room may come and go after that."""
        last = self._last(topic)
        return 0 if last is None else last.offset

    def _last(self, topic: str) -> Place | None:
        talkers: list[Publisher | RoomMember] = [*self.publishers, *self.members]
        newest = [each.acknowledged[-1] for each in talkers if each.acknowledged]
        return max((one.place for one in newest if one.topic == topic), key=lambda place: place.offset, default=None)


@asynccontextmanager
async def _crowd(url: str, tokens: dict[str, str], chance: random.Random) -> AsyncIterator[Crowd]:
    async with _client(url, tokens["gus"]) as gus, _client(url, tokens["stella"]) as stella:
        yield Crowd(
            sockets=[GatewaySocket(f"socket {number}", url, tokens["gus"], BOARDS) for number in (1, 2)],
            streams=[
                *(GatewayStream(f"stream of {board}", gus, board) for board in BOARDS),
                *(StepsStream(f"steps {number}", stella, "stella") for number in (1, 2)),
            ],
            members=[RoomMember(name, httpx2.URL(url).port or 0, tokens[name], ROOM) for name in MEMBERS],
            publishers=[
                Publisher(f"{board}-{number}", gus, board, random.Random(chance.random()))
                for board in BOARDS
                for number in (1, 2)
            ],
            starters=[Starter(gus, "burst", 200), Starter(stella, "stepping", 50)],
        )


def _client(url: str, token: str) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE, trust_env=False)


def _token(user: str) -> str:
    return jwt.encode({"sub": user, "scopes": ["publish"], "exp": 4_000_000_000}, SECRET, "HS256")
