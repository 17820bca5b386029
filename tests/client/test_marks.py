"""A whole channel over a gateway's wire: its mark, how it is renewed, and how it is taken up."""

from __future__ import annotations

from typing import Any

import trio

from callboard_client import Event, Gap
from callboard_client.places import RENEWED
from tests.client.scripted_gateway import Peer, client_of


async def tell(peer: Peer, request: dict[str, Any], mark: int, **positions: int) -> None:
    places = {topic: {"epoch": "e", "offset": offset} for topic, offset in positions.items()}
    places["*"] = {"epoch": "m", "offset": mark}
    await peer.reply(request, "subscribed", {"channel": "task", "positions": places})


async def test_it_is_renewed_and_taken_up(autojump_clock: trio.abc.Clock) -> None:
    async def talk(peer: Peer) -> None:
        await peer.welcome()
        await tell(peer, await peer.take("subscribe"), 100)
        for number in range(RENEWED):
            await peer.event(1, topic=f"t{number}")
        asked = await peer.take("subscribe")
        assert asked["payload"] == {"channel": "task", "topics": [], "since": {}}
        await peer.event(1, topic="after")
        await tell(peer, asked, 300, t3=1)
        await peer.event(1, topic="last")
        await peer.drop()

    async def go_on(peer: Peer) -> None:
        await peer.welcome()
        asked = await peer.take("subscribe")
        since = {"*": "m:300", "t3": "e:1", "after": "e:1", "last": "e:1"}
        assert asked["payload"]["since"].items() >= since.items()
        assert len(asked["payload"]["since"]) < RENEWED
        await tell(peer, asked, 300)
        await peer.event(1, topic="new")
        await peer.stay()

    async with client_of(talk, go_on) as (client, _), client.subscribe("task") as events:
        topics = [(await anext(events)).topic for _ in range(RENEWED + 3)]
        assert topics == [*(f"t{number}" for number in range(RENEWED)), "after", "last", "new"]


async def test_a_gap_of_all_topics_is_handed_out_once(autojump_clock: trio.abc.Clock) -> None:
    async def begin(peer: Peer) -> None:
        await peer.welcome()
        await tell(peer, await peer.take("subscribe"), 100)
        await peer.drop()

    def lost(*, tells: bool) -> Any:
        async def serve(peer: Peer) -> None:
            await peer.welcome()
            asked = await peer.take("subscribe")
            assert asked["payload"]["since"] == {"*": "m:100"}
            places = {"*": {"epoch": "n", "offset": 0, "recovered": False}}
            await peer.reply(asked, "subscribed", {"channel": "task", "positions": places})
            if tells:
                await peer.event(0, {"from": 1, "to": 0, "reason": "epoch"}, "gap", topic="*", epoch="n")
                await peer.event(1, topic="t")
            await peer.drop()

        return serve

    async def after(peer: Peer) -> None:
        await peer.welcome()
        asked = await peer.take("subscribe")
        assert asked["payload"]["since"] == {"*": "n:0", "t": "e:1"}
        await tell(peer, asked, 0)
        await peer.event(2, topic="t")
        await peer.stay()

    async with (
        client_of(begin, lost(tells=False), lost(tells=True), after) as (client, _),
        client.subscribe("task") as events,
    ):
        gap, *rest = [await anext(events) for _ in range(3)]
        assert isinstance(gap, Gap)
        assert (gap.topic, gap.reason) == ("*", "epoch")
        assert [event.position.offset for event in rest if isinstance(event, Event)] == [1, 2]
