"""What a socket hears before it has authenticated: one answer, whatever it asks for, and in whatever form."""

from __future__ import annotations

import pytest

from tests.support.agents import AGENTS
from tests.support.gateway import running_gateway


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type":"subscribe","payload":{"channel":"task"}}', "UNAUTHORIZED"),
        ('{"type":"subscribe","payload":{"channel":7}}', "UNAUTHORIZED"),
        ('{"type":"task.action","payload":{"action":"cancel"}}', "UNAUTHORIZED"),
        ('{"type":"dance"}', "UNAUTHORIZED"),
        ('{"type":"auth","payload":{}}', "INVALID_PAYLOAD"),
        ('{"payload":{}}', "INVALID_PAYLOAD"),
        ("{", "INVALID_JSON"),
    ],
)
async def test_a_stranger_is_asked_to_authenticate(text: str, code: str) -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client() as client:
        await client.send(text)
        reply = await client.receive()
        assert (reply["type"], reply["payload"]["code"]) == ("error", code)
        assert (await client.request("ping"))["type"] == "pong"
        await client.login("alice")
