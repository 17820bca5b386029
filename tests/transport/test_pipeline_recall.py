"""A recalled text is nowhere to be read: not in a history, not by those who come late, in no dialect."""

from __future__ import annotations

import httpx2

from actors.event import ChannelKey
from actors.feeds import Feeds
from actors.uploads import MemoryUploads
from tests.support.agents import forever
from tests.support.credentials import PRINCIPALS
from tests.support.gateway import Gateway, running_gateway
from tests.support.pipeline import PIPELINE, PipelineClient, pipeline_client
from tests.support.world import NurserySpawner
from tests.transport.agents import AGENTS
from transport.pipeline_groups import KnownPipeline
from transport.pipelines import Pipelines, PipelinesOptions

ALICE = PRINCIPALS["alice"]
OPTIONS = PipelinesOptions(known=(KnownPipeline(uuid=PIPELINE, agent="echo", moderators=("alice",)),))


def bodies(gateway: Gateway, key: ChannelKey) -> str:
    events = gateway.world.channels.log(key).read(0, max_events=1000, max_bytes=1 << 22)
    assert events, key
    return b"".join(event.body for event in events).decode().lower()


async def say(client: PipelineClient, text: str) -> str:
    """The task that answers."""
    await client.say(text)
    return str((await client.until("response"))[-1]["data"]["task_id"])


async def test_a_recalled_text_is_in_no_log() -> None:
    async with running_gateway(AGENTS) as gateway, pipeline_client(gateway, token="alice") as alice:
        steps, wallet = gateway.desk.agents.of("alice"), gateway.wallets.feed(ALICE)
        room = await gateway.pipelines.room(ALICE, PIPELINE, "person")
        recalled, kept = await say(alice, "xyzzy"), await say(alice, "plugh")
        keys = [room.session.key, room.feed.key, steps.key, wallet.key]
        for key in (*keys, ChannelKey("task", recalled, "alice")):
            if key != steps.key:
                assert "xyzzy" in bodies(gateway, key)
        await alice.send({"type": "recall", "message_id": 1})
        assert [(await alice.next("recalled"))["data"]["id"] for _ in range(2)] == [1, 2]
        for key in (*keys, ChannelKey("task", recalled, "alice")):
            assert "xyzzy" not in bodies(gateway, key)
        for key in (room.session.key, room.feed.key, wallet.key, ChannelKey("task", kept, "alice")):
            assert "plugh" in bodies(gateway, key)


async def test_who_comes_late_finds_tombstones() -> None:
    async with running_gateway(AGENTS) as gateway:
        async with pipeline_client(gateway, token="alice") as alice:
            await say(alice, "xyzzy")
            await say(alice, "plugh")
            await alice.send({"type": "recall", "message_id": 1})
            await alice.next("recalled")
            last = (await alice.next("recalled"))["position"]
        async with pipeline_client(gateway, token="alice", query="&since=0") as late:
            frames = await late.until("recalled")
            assert "xyzzy" not in str(frames).lower()
            assert [frame["data"]["id"] for frame in frames if frame["type"] == "user_message"] == [3]
            assert (await late.next("recalled"))["position"] == last


async def test_a_room_made_anew_numbers_as_before() -> None:
    async with (
        running_gateway(AGENTS, pipelines_options=OPTIONS) as gateway,
        pipeline_client(gateway, token="alice") as alice,
    ):
        await say(alice, "xyzzy")
        await say(alice, "plugh")
        await alice.send({"type": "recall", "message_id": 2})
        await alice.next("recalled")
        room = await gateway.pipelines.room(ALICE, PIPELINE, "person")
        before = room.messages.all()
        feeds = Feeds(NurserySpawner(gateway.world.nursery), gateway.world.channels)
        others = Pipelines(gateway.world.router, feeds, MemoryUploads(), OPTIONS)
        again = await others.room(ALICE, PIPELINE, "person")
        assert again.messages.all() == before
        assert [(one.id, one.content, one.recalled) for one in before] == [
            (1, "xyzzy", False),
            (2, "", True),
            (3, "plugh", False),
            (4, before[3].content, False),
        ]


async def test_over_http_nothing_of_it_is_left() -> None:
    async with (
        running_gateway(AGENTS, pipelines_options=OPTIONS) as gateway,
        pipeline_client(gateway, token="alice") as alice,
    ):
        task_id = await say(alice, "xyzzy")
        session_id = alice.greeting["session_id"]
        await alice.send({"type": "recall", "message_id": 1})
        await alice.next("recalled")
        base = f"http://127.0.0.1:{gateway.port}/api/v1"
        async with httpx2.AsyncClient(headers={"Authorization": "Bearer alice"}) as http:
            texts = [
                (await http.get(f"{base}/{path}")).raise_for_status().text.lower()
                for path in (
                    f"pipelines/{PIPELINE}/ws/messages/person",
                    f"sessions/{session_id}/messages",
                    f"channels/session/{session_id}/history",
                    f"tasks/{task_id}",
                    f"channels/task/{task_id}/history",
                )
            ]
        assert [text for text in texts if "xyzzy" in text] == []


async def test_recalling_a_question_ends_its_answer() -> None:
    async with (
        running_gateway(
            {"forever": forever},
            pipelines_options=PipelinesOptions(known=(KnownPipeline(uuid=PIPELINE, agent="forever"),)),
        ) as gateway,
        pipeline_client(gateway, token="alice") as alice,
    ):
        await alice.say("xyzzy")
        await alice.next("user_message")
        task_id = (await alice.receive())["data"]["task_id"]
        await alice.send({"type": "recall", "message_id": 1})
        assert [(await alice.next("recalled"))["data"]["id"] for _ in range(2)] == [1, 2]
        await gateway.world.tasks.wait_quiet()
        assert gateway.world.tasks.find(ALICE, task_id).view().state == "cancelled"
