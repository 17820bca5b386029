"""Rooms as the gateway's clients see them: what is said in one, to those who may join it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from actors.commands import Publish
from actors.errors import CallboardError
from actors.event import draft
from actors.principal import Principal, Scope
from actors.rooms import RoomRule, RoomsOptions
from tests.support.agent_client import agent_client
from tests.support.agents import AGENTS
from tests.support.gateway import Gateway, running_gateway
from tests.support.world import Limits

RULES = RoomsOptions({"staff": RoomRule(("alice",), ("alice",)), "news": RoomRule(("*",), ("alice",))})


@asynccontextmanager
async def running() -> AsyncIterator[Gateway]:
    async with running_gateway(AGENTS, Limits(rooms=RULES)) as gateway:
        yield gateway


async def test_what_a_member_says_is_seen_live_and_from_the_past() -> None:
    async with running() as gateway, agent_client(gateway, "alice") as alice, gateway.client("bob") as bob:
        reply = await bob.request("subscribe", {"channel": "room", "topics": ["news"]})
        assert reply["payload"]["success"]
        await alice.send("room_join", room="news")
        await alice.send("room_message", room="news", content="hello")
        joined, said = await bob.event(), await bob.event()
        assert (joined["event_type"], joined["data"]) == ("member.joined", {"user_id": "alice"})
        assert (said["channel"], said["topic"], said["event_type"]) == ("room", "news", "room.message")
        assert said["data"] == {"user_id": "alice", "content": "hello"}
        assert (await alice.ask("room_members", room="news"))["type"] != "error"
        async with gateway.client("bob") as late:
            since = {"news": {"epoch": joined["epoch"], "offset": joined["offset"]}}
            await late.request("subscribe", {"channel": "room", "topics": ["news"], "since": since})
            assert await late.event() == said


async def test_a_room_is_for_those_who_may_join_it() -> None:
    async with running() as gateway, gateway.client("bob") as bob:
        refused = await bob.request("subscribe", {"channel": "room", "topics": ["staff"]})
        assert (refused["type"], refused["payload"]["code"]) == ("error", "FORBIDDEN")
        assert refused["payload"]["message"] == "you may not join the room staff"


async def test_all_rooms_are_those_that_one_may_join() -> None:
    async with running() as gateway, agent_client(gateway, "alice") as alice:
        await alice.send("room_join", room="staff")
        await alice.receive_until("room_member_joined")
        async with gateway.client("bob") as bob, gateway.client("alice") as hers:
            for client in (bob, hers):
                await client.request("subscribe", {"channel": "room", "topics": []})
            for room in ("staff", "news", "hall"):
                await alice.send("room_join", room=room)
                await alice.send("room_message", room=room, content=room)
            told = [await bob.event() for _ in range(4)]
            assert {event["topic"] for event in told} == {"news", "hall"}
            assert [(await hers.event())["topic"] for _ in range(5)] == ["staff", "news", "news", "hall", "hall"]
            assert (await bob.request("ping"))["type"] == "pong"
            assert bob.events == []


@pytest.mark.parametrize(
    ("user", "room", "event_type", "refusal"),
    [
        ("alice", "staff", "poll.opened", None),
        ("bob", "hall", "poll.opened", None),
        ("bob", "news", "poll.opened", "you may not talk in the room news"),
        ("bob", "staff", "poll.opened", "you may not join the room staff"),
        ("alice", "staff", "room.message", "room.message is for a room's members alone"),
        ("alice", "hall", "member.joined", "member.joined is for a room's members alone"),
    ],
)
async def test_a_publisher_adds_what_it_may(user: str, room: str, event_type: str, refusal: str | None) -> None:
    async with running() as gateway:
        principal = Principal(user, frozenset({Scope.PUBLISH}))
        command = Publish("room", room, draft(event_type, {"n": 1}))
        if refusal is None:
            assert (await gateway.world.router.publish(principal, command)).position.offset == 1
        else:
            with pytest.raises(CallboardError, match=refusal):
                await gateway.world.router.publish(principal, command)
