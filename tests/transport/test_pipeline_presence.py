"""Who is in a room: users and not sockets, and nobody who comes back in time has been away."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked
from trio_websocket import ConnectionClosed

from tests.support.credentials import PRINCIPALS
from tests.support.gateway import Gateway, running_gateway
from tests.support.pipeline import PIPELINE, PipelineClient, pipeline_client
from tests.transport.agents import AGENTS


async def presence(client: PipelineClient) -> tuple[str, str, list[str]]:
    frame = await client.receive()
    assert (frame["type"], frame["session_type"]) == ("presence", "group"), frame
    data: dict[str, Any] = frame["data"]
    return data["user_id"], data["status"], data["online"]


async def later(gateway: Gateway, seconds: float) -> None:
    await gateway.pipelines.round(trio.current_time() + seconds)


async def test_others_are_told_of_a_user_once_however_many_devices_it_has() -> None:
    async with running_gateway(AGENTS) as gateway, pipeline_client(gateway, "group", token="alice") as alice:
        assert alice.greeting["online"] == ["alice"]
        async with pipeline_client(gateway, "group", token="bob") as bob:
            assert bob.greeting["online"] == ["alice", "bob"]
            assert await presence(alice) == ("bob", "joined", ["alice", "bob"])
            async with pipeline_client(gateway, "group", token="bob"):
                pass
            await gateway.settled(2)
            await later(gateway, 60)
        await gateway.settled(1)
        await later(gateway, 1)
        await alice.send({"type": "presence", "id": 1})
        asked = await alice.receive()
        assert (asked["id"], asked["data"]) == (1, {"online": ["alice", "bob"]})
        await later(gateway, 60)
        assert await presence(alice) == ("bob", "left", ["alice"])


async def test_who_comes_back_in_time_was_never_away_and_who_says_goodbye_is_gone() -> None:
    async with running_gateway(AGENTS) as gateway, pipeline_client(gateway, "group", token="alice") as alice:
        for _ in range(2):
            async with pipeline_client(gateway, "group", token="bob"):
                pass
            await gateway.settled(1)
        assert await presence(alice) == ("bob", "joined", ["alice", "bob"])
        async with pipeline_client(gateway, "group", token="bob") as bob:
            await bob.send({"type": "disconnect"})
            # Whoever goes is not told that it does.
            with pytest.raises(ConnectionClosed) as closed:
                await bob.receive()
            assert closed.value.reason is not None
            assert closed.value.reason.code == 1000
        assert await presence(alice) == ("bob", "left", ["alice"])


async def test_a_person_s_own_devices_are_not_told_of_each_other() -> None:
    async with (
        running_gateway(AGENTS) as gateway,
        pipeline_client(gateway, token="alice") as alice,
        pipeline_client(gateway, token="alice", greeted=False) as again,
    ):
        assert (await again.receive())["online"] == ["alice"]
        await alice.say("hi")
        assert (await alice.receive())["type"] == "user_message"


async def test_a_room_that_was_given_up_is_not_opened_by_a_goodbye() -> None:
    async with running_gateway(AGENTS) as gateway:
        async with pipeline_client(gateway, "group", token="alice"):
            room = await gateway.pipelines.room(PRINCIPALS["alice"], PIPELINE, "group")
        await gateway.settled()
        gateway.world.channels.forget(room.feed.key)
        await later(gateway, 60)
        await wait_all_tasks_blocked()
        assert not gateway.world.channels.exists(room.feed.key)
        assert gateway.pipelines.online(room) == ()
