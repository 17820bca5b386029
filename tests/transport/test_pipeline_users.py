"""Pipelines where credentials are required: who gets into which room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.support.credentials import PRINCIPALS
from tests.support.gateway import Gateway, running_gateway
from tests.support.pipeline import PIPELINE, pipeline_client
from tests.transport.agents import AGENTS
from transport.pipeline_groups import KnownPipeline
from transport.pipelines import PipelinesOptions

KNOWN = KnownPipeline(uuid=PIPELINE, agent="echo", members=("alice", "paul"), moderators=("paul",))


@asynccontextmanager
async def closed_gateway() -> AsyncIterator[Gateway]:
    async with running_gateway(AGENTS, pipelines_options=PipelinesOptions(known=(KNOWN,))) as gateway:
        yield gateway


async def test_persons_are_apart_and_a_group_is_shared() -> None:
    async with closed_gateway() as gateway:
        async with (
            pipeline_client(gateway, token="alice") as alice,
            pipeline_client(gateway, token="bob") as bob,
            pipeline_client(gateway, query="&access_token=alice") as again,
        ):
            assert alice.greeting["session_id"] == again.greeting["session_id"] != bob.greeting["session_id"]
        async with (
            pipeline_client(gateway, "group", token="alice") as alice,
            pipeline_client(gateway, "group", token="paul") as paul,
        ):
            await alice.say("hi all")
            told = (await paul.receive())["data"]
            assert (told["content"], told["user_id"]) == ("hi all", "alice")


async def test_the_members_of_a_group_and_who_of_them_is_there() -> None:
    async with closed_gateway() as gateway, pipeline_client(gateway, "group", token="alice"):
        room = await gateway.pipelines.room(PRINCIPALS["paul"], PIPELINE, "group")
        assert gateway.pipelines.members(room) == ("alice", "paul")
        assert gateway.pipelines.online(room) == ("alice",)


async def test_the_members_of_an_open_group_are_those_who_came_or_spoke() -> None:
    async with running_gateway(AGENTS) as gateway, pipeline_client(gateway, "group", token="bob") as bob:
        async with pipeline_client(gateway, "group", token="alice") as alice:
            await alice.say("hi")
            await alice.until("response")
        await bob.until("response")
        await gateway.settled(1)
        room = await gateway.pipelines.room(PRINCIPALS["bob"], PIPELINE, "group")
        assert gateway.pipelines.members(room) == ("alice", "bob")
        await gateway.pipelines.round(trio.current_time() + 60)
        assert gateway.pipelines.online(room) == ("bob",)


async def test_a_bad_token_is_unauthorized_and_closed() -> None:
    async with closed_gateway() as gateway, pipeline_client(gateway, token="nobody", greeted=False) as client:
        error = await client.receive()
        assert (error["type"], error["message"]) == ("error", "Unauthorized")
        assert (await client.closing())[0] == 4401


async def test_before_it_has_said_who_it_is_a_client_may_say_nothing_else() -> None:
    async with closed_gateway() as gateway, pipeline_client(gateway, greeted=False) as client:
        await client.say("hello")
        error = await client.receive()
        assert (error["type"], error["code"]) == ("error", "UNAUTHORIZED")
        await client.send({"type": "authenticate", "token": "alice"})
        assert (await client.receive())["type"] == "connected"


async def test_a_group_is_for_its_members() -> None:
    async with closed_gateway() as gateway, pipeline_client(gateway, "group", token="bob", greeted=False) as client:
        error = await client.receive()
        assert (error["type"], error["message"]) == ("error", "not a member of this group")
        assert (await client.closing())[0] == 4401


async def test_a_message_is_recalled_by_its_author_or_a_moderator() -> None:
    async with (
        closed_gateway() as gateway,
        pipeline_client(gateway, "group", token="alice") as alice,
        pipeline_client(gateway, "group", token="paul") as paul,
    ):
        for _ in range(2):
            await alice.say("oops")
            await alice.until("response")
            await paul.until("response")
        await alice.send({"type": "recall", "message_id": 2})
        assert (await alice.receive())["code"] == "FORBIDDEN"
        await alice.send({"type": "recall", "message_id": 1, "id": "r"})
        for message_id in (1, 2):
            recalled = await paul.receive()
            assert (recalled["type"], recalled["data"]["id"], recalled["data"]["by"]) == (
                "recalled",
                message_id,
                "alice",
            )
            assert (await alice.receive())["id"] == "r"
        await paul.send({"type": "recall", "message_id": 4})
        told = (await alice.receive())["data"]
        assert (told["id"], told["by"]) == (4, "paul")
        await paul.send({"type": "recall", "message_id": 4})
        await paul.until("recalled")
        assert (await paul.receive())["code"] == "CONFLICT"
        session = gateway.world.sessions.keyed(f"pipeline group {PIPELINE}")[0]
        assert [message.content for message in session.record.history.messages] == ["", "", "oops", ""]


async def test_read_markers_never_go_back() -> None:
    async with (
        closed_gateway() as gateway,
        pipeline_client(gateway, "group", token="alice") as alice,
        pipeline_client(gateway, "group", token="paul") as paul,
    ):
        await alice.say("news")
        await alice.until("response")
        await paul.until("response")
        await paul.send({"type": "read", "message_id": 2})
        assert (await alice.receive())["data"] == {"user_id": "paul", "message_id": 2}
        await paul.receive()
        await paul.send({"type": "read", "message_id": 1, "id": 5})
        again = await paul.receive()
        assert (again["id"], again["data"]["message_id"]) == (5, 2)
        await alice.send({"type": "read", "message_id": 1})
        assert (await alice.receive())["data"] == {"user_id": "alice", "message_id": 1}


async def test_who_may_be_in_a_group_sees_its_connections() -> None:
    async with (
        running_gateway(AGENTS) as gateway,
        pipeline_client(gateway, "group", token="alice"),
        pipeline_client(gateway, "group", token="bob"),
        pipeline_client(gateway, token="bob"),
    ):
        for name, seen in (("alice", 2), ("bob", 3), ("root", 3)):
            report = gateway.pipelines.connections(PRINCIPALS[name], PIPELINE)
            assert len(report.connections) == report.stats["total_connections"] == seen
        await gateway.pipelines.add_member(PRINCIPALS["root"], PIPELINE, "alice")
        assert len(gateway.pipelines.connections(PRINCIPALS["paul"], PIPELINE).connections) == 0
