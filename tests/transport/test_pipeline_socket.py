"""The pipeline dialect over real sockets, seen by a client that nobody here wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

import orjson
import pytest
import trio
from trio_websocket import ConnectionRejected

from actors.agent import Result, TaskContext
from actors.commands import ExecSession
from actors.feeds import Feeds
from actors.principal import ANONYMOUS
from actors.sessions import SessionsOptions
from actors.uploads import MemoryUploads
from tests.support.gateway import Gateway, running_gateway
from tests.support.pipeline import PIPELINE, PipelineClient, pipeline_client
from tests.support.world import Limits, NurserySpawner
from transport.client_services import ClientOptions
from transport.pipeline_groups import KnownPipeline
from transport.pipelines import Pipelines, PipelinesOptions


async def echo(task: TaskContext) -> Result:
    """Says each word of what it was told."""
    for word in task.prompt.split():
        await task.message(f"{word} ")
    return Result(f"{task.prompt} ({len(task.history)} before)")


async def failing(task: TaskContext) -> Result:
    await task.message("half")
    raise ValueError("no more")


AGENTS = {"echo": echo, "failing": failing}
OPEN = ClientOptions(auth_required=False)


@asynccontextmanager
async def open_gateway(*known: KnownPipeline) -> AsyncIterator[Gateway]:
    options = PipelinesOptions(auth_required=False, known=known)
    async with running_gateway(AGENTS, options=OPEN, pipelines_options=options) as gateway:
        yield gateway


async def test_the_seed_s_conversation_word_for_word() -> None:
    async with open_gateway() as gateway, pipeline_client(gateway) as client:
        greeting = client.greeting
        assert (greeting["pipeline_uuid"], greeting["session_type"]) == (PIPELINE, "person")
        assert datetime.fromisoformat(greeting["timestamp"]).tzinfo is not None
        await client.send({"type": "message", "message": [{"type": "Plain", "text": "你好，这是一条测试消息"}]})
        asked, *answers = await client.until("response")
        assert (asked["type"], asked["session_type"]) == ("user_message", "person")
        assert asked["data"]["message_chain"] == [{"type": "Plain", "text": "你好，这是一条测试消息"}]
        assert (asked["data"]["id"], asked["data"]["role"], asked["data"]["connection_id"]) == (1, "user", client.id)
        final = answers[-1]["data"]
        assert final["content"] == "你好，这是一条测试消息 (0 before)"
        assert {(one["data"]["id"], one["data"]["timestamp"]) for one in answers} == {(2, final["timestamp"])}
        assert [one["data"]["is_final"] for one in answers] == [False] * (len(answers) - 1) + [True]
        await client.send({"type": "ping", "id": 7})
        assert (await client.receive())["id"] == 7
        await client.send({"type": "disconnect"})
        assert await client.closing() == (1000, None)


async def test_two_sockets_of_one_room_see_the_same_and_the_other_type_nothing() -> None:
    async with (
        open_gateway() as gateway,
        pipeline_client(gateway) as one,
        pipeline_client(gateway) as two,
        pipeline_client(gateway, "group") as apart,
    ):
        assert one.greeting["session_id"] == two.greeting["session_id"] != apart.greeting["session_id"]
        await one.say("hello there", request_id="r1")
        first, second = await one.until("response"), await two.until("response")
        assert first[0] == second[0]
        assert first[-1] == second[-1]
        assert {frame["request_id"] for frame in first} == {"r1"}
        await apart.say("hi")
        seen = await apart.until("response")
        assert seen[0]["data"]["id"] == 1
        assert {frame["session_type"] for frame in seen} == {"group"}
        await two.send({"type": "ping"})
        assert (await two.receive())["type"] == "pong"


async def test_without_stream_an_answer_comes_in_one_piece() -> None:
    async with open_gateway() as gateway, pipeline_client(gateway) as client:
        await client.send({"message": [{"type": "Plain", "text": "a b c"}], "stream": False})
        frames = await client.until("response")
        assert [frame["type"] for frame in frames] == ["user_message", "response"]


async def test_a_failed_answer_is_final_and_says_why() -> None:
    known = KnownPipeline(uuid=PIPELINE, agent="failing")
    async with open_gateway(known) as gateway, pipeline_client(gateway) as client:
        await client.say("go")
        final = await client.next("response")
        assert (final["data"]["content"], final["data"]["state"]) == ("half", "failed")
        assert "no more" in final["data"]["error"]


async def test_five_clients_at_once_number_their_messages_without_a_hole() -> None:
    async with open_gateway() as gateway, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(pipeline_client(gateway)) for _ in range(5)]
        seen: dict[str, set[int]] = {}

        async def talk(client: PipelineClient) -> None:
            await client.say(f"from {client.id}")
            finals = 0
            ids = seen.setdefault(client.id, set())
            while finals < 5:
                frame = await client.receive()
                ids.add(frame["data"]["id"])
                finals += frame["type"] == "response" and frame["data"]["is_final"]

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(talk, client)
        assert all(ids == set(range(1, 11)) for ids in seen.values())


async def test_a_task_of_another_dialect_in_the_room_s_session_shows_up() -> None:
    async with open_gateway() as gateway, pipeline_client(gateway) as client:
        command = ExecSession(client.greeting["session_id"], "from elsewhere")
        await gateway.world.router.exec_session(ANONYMOUS, command)
        asked, *_, final = await client.until("response")
        assert (asked["type"], asked["data"]["content"], asked["data"]["id"]) == ("user_message", "from elsewhere", 1)
        assert (final["data"]["id"], final["data"]["connection_id"]) == (2, "")


async def test_who_comes_back_gets_what_it_missed() -> None:
    async with open_gateway() as gateway, pipeline_client(gateway) as stays:
        async with pipeline_client(gateway) as goes:
            await goes.say("one")
            position = (await goes.next("response"))["position"]
        await stays.say("two")
        await stays.until("response")
        missed = await stays.until("response")
        async with pipeline_client(gateway, query=f"&since={position}") as back:
            assert back.greeting["recovered"] is True
            again = await back.until("response")
            assert again[0]["data"]["content"] == "two"
            assert again[-1] == missed[-1]


@pytest.mark.parametrize(
    "frame",
    [
        "no json",
        "[]",
        '{"type": 5}',
        '{"type": "sing"}',
        '{"message": "text"}',
        '{"message": []}',
        '{"message": [{"type": "Plain"}]}',
        '{"message": [{"type": "Dance", "text": "x"}]}',
        '{"message": [{"type": "Plain", "text": "x"}], "stream": "yes"}',
        '{"type": "recall", "message_id": "1"}',
        '{"type": "read", "message_id": 99}',
        '{"type": "authenticate", "token": 3, "id": "a"}',
    ],
)
async def test_bad_input_is_answered_and_disturbs_nobody(frame: str) -> None:
    async with open_gateway() as gateway, pipeline_client(gateway) as client, pipeline_client(gateway) as other:
        await client.send_raw(frame)
        assert (await client.receive())["type"] == "error"
        await client.say("still here")
        assert (await client.until("response"))[0]["data"]["id"] == 1
        assert (await other.receive())["type"] == "user_message"
        await client.send_raw(b"\x00")
        assert (await client.closing())[0] == 1003


@pytest.mark.parametrize(
    ("session_type", "pipeline", "status"), [("crowd", PIPELINE, 400), ("person", "other", 404), ("person", "%00", 404)]
)
async def test_an_upgrade_to_a_room_that_cannot_be_is_refused(session_type: str, pipeline: str, status: int) -> None:
    async with open_gateway(KnownPipeline(uuid=PIPELINE)) as gateway:
        with pytest.raises(ExceptionGroup) as refused:
            async with pipeline_client(gateway, session_type, pipeline):
                pass
        rejected = refused.value.split(ConnectionRejected)[0]
        assert rejected is not None
        (error,) = rejected.exceptions
        assert isinstance(error, ConnectionRejected)
        assert error.status_code == status
        assert orjson.loads(error.body or b"")["code"] == -1


async def test_the_bytes_of_an_image_never_reach_the_history() -> None:
    async with open_gateway() as gateway, pipeline_client(gateway) as client:
        await client.send({"message": [{"type": "Image", "base64": "iVBORw0KGgo="}], "type": "message"})
        told = (await client.receive())["data"]
        (image,) = told["message_chain"]
        assert (told["content"], image.keys()) == ("[Image]", {"type", "url"})
        assert image["url"].startswith(f"/api/v1/pipelines/{PIPELINE}/ws/uploads/person/")
        await client.next("response")
        session = gateway.world.sessions.keyed(f"pipeline person {PIPELINE}")[0]
        log = gateway.world.router.log(session.key)
        assert not any(b"iVBOR" in event.body for event in log.read(0, max_events=100, max_bytes=1 << 20))


async def test_a_broadcast_reaches_both_session_types_of_its_pipeline_alone() -> None:
    async with (
        open_gateway() as gateway,
        pipeline_client(gateway) as person,
        pipeline_client(gateway, "group") as group,
        pipeline_client(gateway, pipeline="another") as stranger,
    ):
        await gateway.pipelines.broadcast(ANONYMOUS, PIPELINE, "这是一条广播消息")
        for client in (person, group):
            told = await client.receive()
            assert (told["type"], told["message"]) == ("broadcast", "这是一条广播消息")
        await stranger.send({"type": "ping"})
        assert (await stranger.receive())["type"] == "pong"
        report = gateway.pipelines.seats.report(PIPELINE, lambda seat: True)
        assert report.stats["connections_by_pipeline"] == {PIPELINE: 2, "another": 1}
        assert report.stats["connections_by_session_type"] == {"person": 2, "group": 1}
        assert {one["connection_id"] for one in report.connections} == {person.id, group.id}


async def test_a_room_whose_session_was_forgotten_is_made_anew_for_those_who_are_in_it() -> None:
    limits = Limits(sessions=SessionsOptions(sessions=1, default_agent="echo"))
    options = PipelinesOptions(auth_required=False)
    async with (
        running_gateway(AGENTS, limits, OPEN, pipelines_options=options) as gateway,
        pipeline_client(gateway) as client,
        pipeline_client(gateway, "group"),
    ):
        await client.say("hello")
        assert (await client.until("response"))[0]["data"]["id"] == 1
        session = gateway.world.sessions.keyed(f"pipeline person {PIPELINE}")[0]
        assert session.id != client.greeting["session_id"]


async def test_a_room_that_was_given_up_is_made_again_with_the_same_numbers() -> None:
    async with open_gateway() as gateway:
        async with pipeline_client(gateway) as client:
            await client.say("one")
            await client.until("response")
        await gateway.settled()
        again = Feeds(NurserySpawner(gateway.world.nursery), gateway.world.channels)
        pipelines = Pipelines(gateway.world.router, again, MemoryUploads(), PipelinesOptions(auth_required=False))
        room = await pipelines.room(ANONYMOUS, PIPELINE, "person")
        assert [(one.id, one.role) for one in room.messages.all()] == [(1, "user"), (2, "assistant")]
        await pipelines.reset(room)
        assert room.messages.all() == ()
