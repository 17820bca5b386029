"""Bad input in each of the five dialects: its own error, once; the socket stays open, and nobody else notices."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
from trio_websocket import ConnectionClosed

from actors.commands import CreateTask
from tests.support.gateway import running_gateway
from tests.support.world import BOB
from tests.transport.agents import AGENTS
from tests.transport.bystander import LISTENER
from tests.transport.dialect_clients import DIALECTS, DialectClient, dialect_client
from transport.client_services import ClientOptions

LIMIT = 1 << 18

NO_REQUESTS = {
    "nothing": "",
    "no JSON": "{not json",
    "a control character": '{"type":"ping\x00"}',
    "two objects in a frame": '{"type":"ping"}{"type":"ping"}',
    "nesting without end": "[" * 100_000,
    "not a number of JSON": "NaN",
    "a number": "7",
    "null": "null",
    "a text": '"ping"',
    "a list": '[{"type":"ping"}]',
    "no members": "{}",
    "a type that is no text": '{"type":["ping"]}',
    "an unknown type": '{"type":"dance"}',
    "an empty type": '{"type":""}',
    "half a character": '{"type":"\\ud800"}',
}
"""What no dialect understands."""

BAD_FIELDS = {
    "gateway": [
        '{"type":"subscribe","payload":{"channel":7}}',
        '{"type":"subscribe","payload":[]}',
        '{"type":"subscribe","payload":{"channel":"weather"}}',
        '{"type":"subscribe","payload":{"channel":"feed","topics":["x"]}}',
        '{"type":"auth","payload":{"token":null}}',
        '{"type":"session.exec","payload":{"session_id":"s"}}',
    ],
    "agent": [
        '{"type":"agent_query","query":""}',
        '{"type":"agent_query","query":["x"]}',
        '{"type":"streaming_query"}',
        '{"type":"tool_call","params":{}}',
        '{"type":"tool_call","tool_name":["echo"]}',
        '{"type":"watch"}',
        '{"type":"watch","task_id":"none"}',
    ],
    "steps": [
        '{"type":"task:submit"}',
        '{"type":"task:submit","data":{"task":""}}',
        '{"type":"task:submit","data":{"task":"x","context":7}}',
        '{"type":"step:confirm","data":{"stepId":"s","approved":"yes"}}',
        '{"type":"step:confirm","data":{"stepId":"s","approved":true}}',
        '{"type":"task:cancel"}',
    ],
    "pipeline": [
        '{"type":"message","message":[]}',
        '{"type":"message","message":"text"}',
        '{"type":"message","message":[{"type":"Plain"}]}',
        '{"type":"message","message":[{"type":"Dance","text":"x"}]}',
        '{"type":"message","message":[{"type":"Image","base64":"!"}]}',
        '{"type":"recall","message_id":"1"}',
        '{"type":"read","message_id":99}',
    ],
    "wallet": ['{"type":"subscribe"}', '{"type":"new_message"}'],
}

CASES = [pytest.param(name, text, id=f"{name}-{why}") for name in DIALECTS for why, text in NO_REQUESTS.items()] + [
    pytest.param(name, text, id=f"{name}-{text}") for name, texts in BAD_FIELDS.items() for text in texts
]


@asynccontextmanager
async def watched(caplog: pytest.LogCaptureFixture, name: str) -> AsyncIterator[DialectClient]:
    """Alice's client of a dialect, with Bob's in all five beside it: they hear nothing of what she does, and see a task
    of his as before. Nothing crashes, nothing is logged as a warning."""
    options = ClientOptions(auth_required=True, message_bytes=LIMIT)
    async with running_gateway(AGENTS, options=options, listener_options=LISTENER) as gateway:
        async with AsyncExitStack() as stack:
            bobs = [await stack.enter_async_context(dialect_client(gateway, each, "bob")) for each in DIALECTS]
            async with dialect_client(gateway, name, "alice") as alice:
                yield alice
            for bob in bobs:
                assert await bob.before_pong() == []
            steps = bobs[list(DIALECTS).index("steps")]
            await gateway.world.router.create_task(BOB, CreateTask(agent="echo", prompt="hi"))
            seen = [await steps.receive()]
            while seen[-1]["type"] != "task:complete":
                seen.append(await steps.receive())
            assert seen[-1]["data"]["output"] == "hi"
        assert gateway.listener.statistics().crashed == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(("name", "text"), CASES)
async def test_bad_input_gets_the_dialects_error_and_nothing_else_happens(
    caplog: pytest.LogCaptureFixture, name: str, text: str
) -> None:
    async with watched(caplog, name) as client:
        await client.socket.send_message(text)
        (told,) = await client.before_pong()
        assert told["type"] == "error"
        assert client.dialect.error_text(told)
        assert await client.before_pong() == []


@pytest.mark.parametrize("member", ["id", "request_id"])
@pytest.mark.parametrize("name", DIALECTS)
async def test_a_refusal_names_the_request(caplog: pytest.LogCaptureFixture, name: str, member: str) -> None:
    async with watched(caplog, name) as client:
        await client.socket.send_message(f'{{"type":"dance","{member}":"r-1"}}')
        (told,) = await client.before_pong()
        assert (told["type"], told[member]) == ("error", "r-1")


@pytest.mark.parametrize(("sent", "code"), [(b"\x00binary", 1003), ("x" * (LIMIT + 1), 1009)], ids=["binary", "long"])
@pytest.mark.parametrize("name", DIALECTS)
async def test_what_is_no_message_ends_that_connection_alone(
    caplog: pytest.LogCaptureFixture, name: str, sent: str | bytes, code: int
) -> None:
    async with watched(caplog, name) as client:
        await client.socket.send_message(sent)
        with trio.fail_after(10), pytest.raises(ConnectionClosed) as closed:
            await client.socket.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == code
