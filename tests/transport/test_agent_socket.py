"""The agent dialect on a real port: what its document promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from trio_websocket import ConnectionClosed, ConnectionRejected

from actors.principal import ANONYMOUS
from tests.support.agent_client import agent_client
from tests.support.agents import AGENTS
from tests.support.gateway import Gateway, running_gateway
from tests.support.world import EchoToolbox, World
from transport.agent_conversation import AgentServices
from transport.client_services import ClientOptions
from transport.roster import Roster


@asynccontextmanager
async def running(roster: Roster | None = None, *, auth: bool = False) -> AsyncIterator[Gateway]:
    def own(world: World) -> AgentServices:
        return AgentServices(toolbox=EchoToolbox(), roster=roster or Roster(), rooms=world.rooms)

    async with running_gateway(AGENTS, options=ClientOptions(auth_required=auth), agent_services=own) as gateway:
        yield gateway


async def test_a_ping_is_answered_with_its_id() -> None:
    async with running() as gateway, agent_client(gateway) as client:
        pong = await client.ask("ping", request_id="r1")
        assert (pong["type"], pong["request_id"]) == ("pong", "r1")


async def test_a_query_is_answered_by_the_default_agent() -> None:
    async with running() as gateway, agent_client(gateway) as client:
        await client.send("agent_query", query="hello", id=7)
        status, answer = await client.receive_until("agent_response")
        assert (status["type"], status["status"], status["id"]) == ("status", "processing", 7)
        assert (answer["content"], answer["vendor"], answer["id"]) == ("HELLO", "echo", 7)
        assert answer["task_id"] == status["task_id"]


async def test_a_streamed_answer_begins_and_ends() -> None:
    async with running() as gateway, agent_client(gateway) as client:
        await client.send("streaming_query", query="hello")
        frames = await client.receive_until("stream_end")
        assert frames[0]["type"] == "stream_start"
        assert {frame["type"] for frame in frames[1:-1]} == {"stream_chunk"}
        assert "".join(frame["content"] for frame in frames[1:-1]) == "hello"


async def test_the_queries_of_a_connection_are_one_conversation() -> None:
    async with running() as gateway, agent_client(gateway) as client:
        await client.send("agent_query", query="first")
        first = (await client.receive_until("agent_response"))[-1]
        await client.send("agent_query", query="second")
        second = (await client.receive_until("agent_response"))[-1]
        assert second["session_id"] == first["session_id"]
        history = await client.ask("history", session_id=first["session_id"])
        said = [frame["content"] for frame in history["frames"] if frame["type"] == "message"]
        assert said == ["first", "FIRST", "second", "SECOND"]
        assert (history["more"], history["recovered"]) == (False, True)


async def test_a_query_goes_on_another_of_the_users_conversations_and_on_nobody_elses() -> None:
    async with running(auth=True) as gateway, agent_client(gateway, "alice") as alice:
        await alice.send("agent_query", query="first")
        session_id = (await alice.receive_until("agent_response"))[-1]["session_id"]
        async with agent_client(gateway, "alice") as other, agent_client(gateway, "bob") as bob:
            await other.send("agent_query", query="second", session_id=session_id)
            assert (await other.receive_until("agent_response"))[-1]["session_id"] == session_id
            refused = await bob.ask("agent_query", query="mine", session_id=session_id)
            assert refused["error"] == f"Query failed: no session {session_id}"
            assert (await bob.ask("watch", session_id=session_id))["error"] == f"no session {session_id}"


async def test_a_tool_is_called() -> None:
    async with running() as gateway, agent_client(gateway) as client:
        result = await client.ask("tool_call", tool_name="echo", params={"n": 579}, id="t")
        assert (result["type"], result["tool_name"], result["result"]) == ("tool_result", "echo", {"n": 579})
        unknown = await client.ask("tool_call", tool_name="nothing", id="u")
        assert (unknown["error"], unknown["id"]) == ("Tool not found: nothing", "u")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "Invalid JSON format"),
        ('{"type": "dance", "id": 1}', "Unknown message type: dance"),
        ('{"type": "agent_query", "id": 1}', "Query is required"),
        ('{"type": "tool_call", "id": 1}', "Tool name is required"),
    ],
)
async def test_bad_input_is_told_and_disturbs_nothing(text: str, error: str) -> None:
    async with running() as gateway, agent_client(gateway) as client:
        await client.socket.send_message(text)
        refused = await client.receive()
        assert (refused["type"], refused["error"]) == ("error", error)
        assert (await client.ask("ping"))["type"] == "pong"


async def test_a_task_from_elsewhere_is_watched_and_taken_up_again() -> None:
    async with running(auth=True) as gateway, gateway.client("alice") as creator, agent_client(gateway, "alice") as one:
        created = await creator.request("task.action", {"action": "create", "data": {"agent": "echo", "prompt": "hi"}})
        task_id, start = created["payload"]["task_id"], created["payload"]["position"]
        watching = await one.ask("watch", task_id=task_id, since=start, id=1)
        assert (watching["type"], watching["position"], watching["recovered"]) == ("watching", start, True)
        frames = await one.receive_until("stream_end")
        told = [frame for frame in frames if frame["type"] != "event"]
        assert [frame["type"] for frame in told] == ["stream_start", "stream_chunk", "stream_end"]
        assert all(frame["task_id"] == task_id for frame in told)
        assert (told[1]["content"], told[2]["content"]) == ("hi", "HI")
        async with agent_client(gateway, "alice") as again:
            await again.send("watch", task_id=task_id, since=told[1]["position"])
            rest = await again.receive_until("stream_end")
            assert "stream_chunk" not in {frame["type"] for frame in rest}
        assert (await one.ask("unwatch", task_id=task_id))["type"] == "unwatched"


async def test_a_query_is_seen_by_those_who_watch_its_conversation() -> None:
    async with (
        running(auth=True) as gateway,
        agent_client(gateway, "alice") as one,
        agent_client(gateway, "alice") as two,
    ):
        await one.send("agent_query", query="first")
        session_id = (await one.receive_until("agent_response"))[-1]["session_id"]
        assert (await two.ask("watch", session_id=session_id))["type"] == "watching"
        await one.send("streaming_query", query="second")
        seen = await two.receive_until("stream_end")
        assert [frame["type"] for frame in seen] == ["message", "stream_start", "stream_chunk", "message", "stream_end"]
        assert (seen[0]["content"], seen[1]["query"]) == ("second", "second")


async def test_who_has_no_credential_is_refused_at_the_upgrade() -> None:
    async with running(auth=True) as gateway:
        for query in ("", "?access_token=nobody", "?ticket=none"):
            with pytest.RaisesGroup(ConnectionRejected, flatten_subgroups=True) as rejected:
                async with agent_client(gateway, query=query):
                    raise AssertionError
            (only,) = rejected.value.exceptions
            assert isinstance(only, ConnectionRejected)
            assert only.status_code == 401
        for query in ("?access_token=alice", "?ticket=tk_alice"):
            async with agent_client(gateway, query=query) as client:
                assert (await client.ask("ping"))["type"] == "pong"


async def test_one_connection_too_many_is_told_and_closed_1013() -> None:
    async with running(Roster(1)) as gateway, agent_client(gateway):
        async with agent_client(gateway, greeted=False) as second:
            refused = await second.receive()
            assert (refused["type"], refused["error"]) == ("error", "Too many connections: there are 1 already")
            with pytest.raises(ConnectionClosed) as closed:
                await second.receive()
            assert closed.value.reason is not None
            assert closed.value.reason.code == 1013
        await gateway.settled(1)


async def test_the_statistics_count_and_totals_outlive_a_connection() -> None:
    roster = Roster()
    async with running(roster) as gateway:
        async with agent_client(gateway) as one, agent_client(gateway):
            await one.ask("ping")
            await one.ask("dance")
            figures = roster.statistics(ANONYMOUS)
            assert (figures.active_connections, figures.total_connections, figures.total_messages) == (2, 2, 2)
            assert [each.message_count for each in figures.connections] == [2, 0]
        await gateway.settled()
        figures = roster.statistics(ANONYMOUS)
        assert (figures.active_connections, figures.total_connections, figures.total_messages) == (0, 2, 2)
