"""The OpenAI-compatible model against an upstream on a real socket that misbehaves."""

from __future__ import annotations

import logging
from random import Random
from typing import Any

import msgspec
import pytest
import trio

from actors.model import Completion, ModelError, ModelMessage, ToolCall
from actors.tool import ToolSpec
from engine.models.endpoint import Endpoint
from engine.models.openai import OpenAIModel, open_client
from engine.models.retry import RetryPolicy
from tests.support.upstream import DONE, STREAM, Exchange, chunk, start_upstream, status

KEY = "sk-very-secret-1234"
ASK = [ModelMessage("user", "Hi")]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Asked:
    """One call of a model, what it streamed and how often it waited."""

    def __init__(self, base_url: str, **settings: Any) -> None:  # any field of Endpoint
        defaults: dict[str, Any] = {"retry": RetryPolicy(attempts=3, first=0.01), "read_timeout": 5.0}
        self.endpoint = Endpoint(base_url=base_url, model="m", api_key=KEY, **(defaults | settings))
        self.text: list[str] = []
        self.waits: list[float] = []
        self.first_text = trio.Event()

    async def complete(self, messages: list[ModelMessage] = ASK, tools: tuple[ToolSpec, ...] = ()) -> Completion:
        async with open_client() as client:
            model = OpenAIModel(self.endpoint, client, sleep=self._sleep, random=Random(1), now=lambda: 60.0)
            return await model.complete(messages, tools=tools, on_text=self._on_text)

    async def failure(self) -> ModelError:
        with pytest.raises(ModelError) as caught:
            await self.complete()
        assert KEY not in str(caught.value)
        return caught.value

    async def _on_text(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        self.text.append(text)
        self.first_text.set()

    async def _sleep(self, seconds: float) -> None:
        await trio.lowlevel.checkpoint()
        self.waits.append(seconds)


async def answer(exchange: Exchange) -> None:
    await exchange.send(STREAM, chunk("Hel"), chunk("lo"), chunk(finish="stop"), DONE)


async def test_a_request_and_its_answer(nursery: trio.Nursery) -> None:
    upstream = await start_upstream(nursery, answer)
    spec = ToolSpec("add", "Adds.", {"type": "object"})
    asked = Asked(upstream.base_url + "/", temperature=0.5, max_tokens=9)
    call = ToolCall("c1", "add", "{}")
    conversation = [
        ModelMessage("system", "Be brief."),
        *ASK,
        ModelMessage("assistant", "", (call,)),
        ModelMessage("tool", "3", tool_call_id="c1"),
    ]
    assert await asked.complete(conversation, (spec,)) == Completion("Hello", (), "stop")
    assert asked.text == ["Hel", "lo"]
    sent = upstream.exchanges[0]
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.body == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "max_tokens": 9,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "3", "tool_call_id": "c1"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}}
        ],
    }


@pytest.mark.parametrize("failing", ["503 Service Unavailable", "500 Oops", "429 Too Many Requests"])
async def test_a_refusal_is_tried_again(nursery: trio.Nursery, failing: str) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.send(status(failing))

    upstream = await start_upstream(nursery, refuse, refuse, answer)
    asked = Asked(upstream.base_url)
    assert (await asked.complete()).text == "Hello"
    assert len(asked.waits) == 2


async def test_a_connection_that_drops_before_an_answer_is_tried_again(nursery: trio.Nursery) -> None:
    async def drop(exchange: Exchange) -> None:
        await exchange.send()

    upstream = await start_upstream(nursery, drop, answer)
    asked = Asked(upstream.base_url)
    assert (await asked.complete()).text == "Hello"
    assert len(asked.waits) == 1


async def test_retry_after_is_honoured(nursery: trio.Nursery) -> None:
    async def limited(exchange: Exchange) -> None:
        await exchange.send(status("429 Too Many Requests", "Retry-After: 7"))

    async def until(exchange: Exchange) -> None:
        await exchange.send(status("503 Busy", "Retry-After: Thu, 01 Jan 1970 00:01:09 GMT"))

    upstream = await start_upstream(nursery, limited, until, answer)
    asked = Asked(upstream.base_url)
    await asked.complete()
    assert asked.waits == [7.0, 9.0]


@pytest.mark.parametrize(
    ("answered", "cause", "requests"),
    [
        (status("429 Slow Down", "Retry-After: 3600"), "rate_limited", 1),
        (status("429 Slow Down"), "rate_limited", 3),
        (status("502 Bad Gateway", body=b"<html>nginx</html>"), "upstream_error", 3),
        (status("401 No", body=b'{"error": {"message": "Incorrect API key: sk-very-secret-1234"}}'), "unauthorized", 1),
        (status("404 Not Found", body=b'{"error": {"message": "no model m"}}'), "upstream_error", 1),
        (status("302 Found", "Location: http://127.0.0.1:1/"), "upstream_error", 1),
        (status("200 OK", "Content-Type: application/json", body=b'{"choices": []}'), "bad_response", 1),
        (STREAM + b"data: {garbage\n\n", "bad_response", 1),
        (STREAM + b"data: " + b"x" * (1 << 20), "bad_response", 1),
        (STREAM + chunk("x" * 9000) * 3, "bad_response", 1),
        (STREAM + chunk("Hel") + b'data: {"error": {"message": "overloaded"}}\n\n', "upstream_error", 1),
        (STREAM + b'data: {"error": {"message": "sk-very-secret-1234"}}\n\n', "upstream_error", 1),
        (STREAM + chunk("Hel"), "truncated", 1),
        (STREAM, "truncated", 1),
        (STREAM.replace(b"\r\n\r\n", b"\r\nContent-Length: 9999\r\n\r\n") + chunk("Hel"), "truncated", 1),
        (STREAM.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n") + chunk("Hel"), "bad_response", 1),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "connect", 3),
    ],
)
async def test_failures_have_a_cause(nursery: trio.Nursery, answered: bytes, cause: str, requests: int) -> None:
    async def fail(exchange: Exchange) -> None:
        await exchange.send(answered)

    upstream = await start_upstream(nursery, *[fail] * 3)
    asked = Asked(upstream.base_url, max_bytes=20_000 if b"x" * 9000 + b'"' in answered else 1 << 22)
    error = await asked.failure()
    assert error.cause == cause
    assert len(upstream.exchanges) == requests


async def test_what_the_endpoint_says_is_passed_on(nursery: trio.Nursery) -> None:
    async def fail(exchange: Exchange) -> None:
        await exchange.send(status("400 Bad Request", body=b'{"error": {"message": "max_tokens is too large"}}'))

    upstream = await start_upstream(nursery, fail)
    error = await Asked(upstream.base_url).failure()
    assert error.message == "the endpoint answered 400: max_tokens is too large"


async def test_nothing_is_tried_again_after_the_first_text(nursery: trio.Nursery) -> None:
    async def break_off(exchange: Exchange) -> None:
        await exchange.send(STREAM, chunk("Hel"))

    upstream = await start_upstream(nursery, break_off, answer)
    asked = Asked(upstream.base_url)
    assert (await asked.failure()).cause == "truncated"
    assert (asked.text, asked.waits, len(upstream.exchanges)) == (["Hel"], [], 1)


@pytest.mark.parametrize("begins", [b"", STREAM + chunk("Hel")])
@pytest.mark.parametrize("limit", ["read_timeout", "total_timeout"])
async def test_silence_is_a_time_out_and_closes_the_request(nursery: trio.Nursery, begins: bytes, limit: str) -> None:
    async def fall_silent(exchange: Exchange) -> None:
        await exchange.send(begins)
        await exchange.until_closed()

    upstream = await start_upstream(nursery, fall_silent)
    error = await Asked(upstream.base_url, **{limit: 0.2}).failure()
    assert error.cause == "timeout"
    with trio.fail_after(5):
        await upstream.exchanges[0].closed.wait()


async def test_keep_alives_are_no_silence_and_an_open_end_is_not_waited_for(nursery: trio.Nursery) -> None:
    async def keep_alive(exchange: Exchange) -> None:
        await exchange.send(STREAM, b": ping\n\n" * 3, chunk("Hi"), chunk(finish="stop"), DONE)
        await exchange.until_closed()

    upstream = await start_upstream(nursery, keep_alive)
    with trio.fail_after(4):
        assert (await Asked(upstream.base_url).complete()).text == "Hi"
        await upstream.exchanges[0].closed.wait()


async def test_a_cancel_closes_the_request_at_once(nursery: trio.Nursery) -> None:
    async def stream_on(exchange: Exchange) -> None:
        await exchange.send(STREAM, chunk("Hel"))
        await exchange.until_closed()

    upstream = await start_upstream(nursery, stream_on)
    asked = Asked(upstream.base_url)
    async with trio.open_nursery() as calls:
        calls.start_soon(asked.complete)
        await asked.first_text.wait()
        calls.cancel_scope.cancel()
    with trio.fail_after(2):
        await upstream.exchanges[0].closed.wait()


async def test_an_error_of_the_receiver_closes_the_request(nursery: trio.Nursery) -> None:
    async def stream_on(exchange: Exchange) -> None:
        await exchange.send(STREAM, chunk("Hel"))
        await exchange.until_closed()

    async def refuse(_: str) -> None:
        await trio.lowlevel.checkpoint()
        raise LookupError("enough")

    upstream = await start_upstream(nursery, stream_on)
    async with OpenAIModel.open(Asked(upstream.base_url).endpoint) as model:
        with pytest.raises(LookupError):
            await model.complete(ASK, on_text=refuse)
        with trio.fail_after(2):
            await upstream.exchanges[0].closed.wait()


async def test_nobody_listens() -> None:
    with trio.socket.socket() as free:
        await free.bind(("127.0.0.1", 0))
        asked = Asked(f"http://127.0.0.1:{free.getsockname()[1]}/v1")
        assert (await asked.failure()).cause == "connect"
        assert len(asked.waits) == 2


async def test_the_key_is_in_no_log(nursery: trio.Nursery, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    upstream = await start_upstream(nursery, answer)
    asked = Asked(upstream.base_url)
    await asked.complete()
    assert caplog.records
    assert KEY not in caplog.text
    assert KEY not in repr(asked.endpoint)


@pytest.mark.parametrize(
    ("field", "value"),
    [("base_url", "ftp://x/v1"), ("base_url", "localhost"), ("base_url", "http://"), ("api_key", "a\nb")],
)
def test_an_endpoint_that_cannot_work_is_refused(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=field):
        msgspec.convert({"base_url": "http://x/v1", "model": "m", field: value}, Endpoint)
