"""Rooms, as clients of the agent dialect use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from actors.rooms import RoomRule, RoomsOptions
from tests.support.agent_client import AgentClient, agent_client
from tests.support.agents import AGENTS
from tests.support.gateway import Gateway, running_gateway
from tests.support.world import Limits

RULES = RoomsOptions({"staff": RoomRule(("alice",), ("alice",)), "news": RoomRule(("*",), ("alice",))})


@asynccontextmanager
async def running() -> AsyncIterator[Gateway]:
    async with running_gateway(AGENTS, Limits(rooms=RULES)) as gateway:
        yield gateway


async def enter(client: AgentClient, room: str, **fields: object) -> dict[str, object]:
    """Joins and returns the reply."""
    joined = await client.ask("room_join", room=room, **fields)
    assert joined["type"] == "room_joined", joined
    return joined


async def test_members_see_each_other_come_talk_and_go() -> None:
    async with running() as gateway, agent_client(gateway, "alice") as alice, agent_client(gateway, "bob") as bob:
        assert (await enter(alice, "hall", id=1))["members"] == ["alice"]
        assert (await alice.receive())["user_id"] == "alice"
        assert (await enter(bob, "hall"))["members"] == ["alice", "bob"]
        came = await alice.receive()
        assert (came["type"], came["user_id"], came["room"]) == ("room_member_joined", "bob", "hall")
        assert (await bob.receive())["user_id"] == "bob"

        await bob.send("room_message", room="hall", content="hello", id=2)
        frames = {frame["type"]: frame for frame in [await bob.receive(), await bob.receive()]}
        heard = await alice.receive()
        assert (heard["type"], heard["user_id"], heard["content"]) == ("room_message", "bob", "hello")
        assert frames["room_sent"]["position"] == frames["room_message"]["position"] == heard["position"]
        assert frames["room_sent"]["id"] == 2

        await bob.send("room_leave", room="hall")
        await bob.receive_until("room_left")
        left = await alice.receive()
        assert (left["type"], left["user_id"]) == ("room_member_left", "bob")
        assert (await alice.ask("room_members", room="hall"))["members"] == ["alice"]


async def test_who_loses_the_connection_is_gone_after_the_time_of_grace() -> None:
    async with running() as gateway, agent_client(gateway, "alice") as alice:
        await enter(alice, "hall")
        await alice.receive()
        async with agent_client(gateway, "bob") as bob:
            await enter(bob, "hall")
            assert (await alice.receive())["user_id"] == "bob"
        await gateway.settled(1)
        now = trio.current_time()
        await gateway.world.rooms.round(now + 5)
        assert (await alice.ask("room_members", room="hall"))["members"] == ["alice", "bob"]
        await gateway.world.rooms.round(now + 11)
        left = await alice.receive()
        assert (left["type"], left["user_id"]) == ("room_member_left", "bob")


async def test_what_was_missed_is_taken_up_by_position_and_read_in_history() -> None:
    async with running() as gateway, agent_client(gateway, "alice") as alice:
        await enter(alice, "hall")
        async with agent_client(gateway, "bob") as bob:
            seen = (await enter(bob, "hall"))["position"]
        for text in ("one", "two"):
            await alice.send("room_message", room="hall", content=text)
            await alice.receive_until("room_sent")
        async with agent_client(gateway, "bob") as bob:
            assert (await enter(bob, "hall", since=seen))["recovered"] is True
            missed = [await bob.receive() for _ in range(3)]
            assert [frame.get("content") for frame in missed] == [None, "one", "two"]
        history = await alice.ask("history", room="hall", limit=3)
        await alice.send("history", room="hall", since=history["position"])
        assert history["more"] is True
        rest = (await alice.receive_until("history"))[-1]
        assert [frame["content"] for frame in rest["frames"]] == ["two"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"type": "room_join", "room": "staff"}, "you may not join the room staff"),
        ({"type": "room_members", "room": "staff"}, "you may not join the room staff"),
        ({"type": "history", "room": "staff"}, "you may not join the room staff"),
        ({"type": "room_message", "room": "news", "content": "x"}, "you may not talk in the room news"),
        ({"type": "room_message", "room": "hall", "content": "x"}, "you are not in the room hall"),
        ({"type": "room_leave", "room": "hall"}, "you are not in the room hall"),
        ({"type": "room_join", "room": "a b"}, "a topic is 1 to 200 of A-Z a-z 0-9 _ . : @ ~ -"),
    ],
)
async def test_what_is_not_allowed_is_told(asked: dict[str, str], error: str) -> None:
    async with running() as gateway, agent_client(gateway, "bob") as bob, agent_client(gateway, "root") as root:
        await enter(bob, "news")
        await bob.receive()
        kind = asked.pop("type")
        refused = await bob.ask(kind, **asked, id=9)
        assert (refused["type"], refused["error"], refused["id"]) == ("error", error, 9)
        assert (await enter(root, "staff"))["members"] == ["root"]
