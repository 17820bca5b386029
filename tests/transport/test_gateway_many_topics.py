"""A whole channel of many topics over the gateway: the reply first, and each event once."""

from __future__ import annotations

from itertools import count

import pytest

from actors import pace as pace_module
from actors.event import ChannelKey
from actors.pace import Pace
from tests.support.agents import AGENTS
from tests.support.drafts import fact
from tests.support.gateway import running_gateway

MANY = 300


async def test_a_whole_channel_is_followed_and_left_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = map(float, count(0, 3600))
    monkeypatch.setattr(pace_module, "Pace", lambda: Pace(hours.__next__))
    async with running_gateway(AGENTS) as gateway, gateway.client("root") as client:
        channels = gateway.world.channels
        for number in range(MANY):
            channels.create(ChannelKey("app", f"t{number}"))
        assert (await client.request("subscribe", {"channel": "app", "topics": []}))["type"] == "subscribed"
        for number in range(MANY):
            await channels.publish(ChannelKey("app", f"t{number}"), fact(number))
        seen = [(await client.event())["topic"] for _ in range(MANY)]
        assert sorted(seen) == sorted(f"t{number}" for number in range(MANY))
        assert (await client.request("unsubscribe", {"channel": "app", "topics": []}))["type"] == "unsubscribed"
        assert channels.statistics().subscriptions == 0
        assert (await client.request("ping"))["type"] == "pong"
        assert client.events == []
        await client.request("subscribe", {"channel": "app", "topics": []})
    await gateway.settled()
