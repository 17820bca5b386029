"""One client that floods the server, among others that wait without a task."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack

import pytest

from tests.support.gateway import running_gateway
from tests.support.raw_websocket import RawWebSocket, text_frame
from transport.client_services import ClientOptions
from transport.gateway_conversation import GatewayConversation

PING = {"id": 1, "type": "ping"}
FLOOD = '{"id": "flood", "type": "ping"}'
_FRAMES = 400
_SECONDS = 0.001
"""That one frame takes: longer than the slice in which it is handled."""
_BETWEEN = 20
"""Turns of the flooder's in which a request comes to the server and its answer back."""


async def test_the_others_are_answered_between_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    floods = 0
    answer = GatewayConversation.answer

    def answer_slowly(self: GatewayConversation, text: str) -> Awaitable[None] | None:
        nonlocal floods
        if text == FLOOD:
            floods += 1
            until = time.perf_counter() + _SECONDS
            while time.perf_counter() < until:
                pass
        return answer(self, text)

    monkeypatch.setattr(GatewayConversation, "answer", answer_slowly)
    options = ClientOptions(auth_required=True, commands_per_second=1e6, commands_burst=1_000_000)
    async with running_gateway({}, options=options) as gateway, AsyncExitStack() as stack:
        flooder = await stack.enter_async_context(await RawWebSocket.open(gateway.port))
        others = [await stack.enter_async_context(await RawWebSocket.open(gateway.port)) for _ in range(5)]
        for other in others:
            assert (await other.request(PING))["type"] == "pong"
        assert len(gateway.poller) == 6
        await flooder.send(text_frame(FLOOD) * _FRAMES)
        for other in others:
            before = floods
            assert (await other.request(PING))["type"] == "pong"
            assert floods - before <= _BETWEEN
        assert 0 < floods < _FRAMES
        for _ in range(_FRAMES):
            assert (await flooder.reply())["id"] == "flood"
