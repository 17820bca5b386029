"""A completion from chunks as different endpoints write them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from actors.model import Completion, ModelError, ToolCall
from engine.models.assembler import CompletionAssembler


def fed(*deltas: dict[str, Any], finish: str | None = "stop") -> CompletionAssembler:
    assembler = CompletionAssembler()
    for delta in deltas:
        assembler.feed(orjson.dumps({"choices": [{"index": 0, "delta": delta}]}).decode())
    if finish:
        assembler.feed(orjson.dumps({"choices": [{"delta": {}, "finish_reason": finish}]}).decode())
    return assembler


def call(index: int | None, call_id: str | None, name: str | None, arguments: str | None) -> dict[str, Any]:
    delta = {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}
    return {"tool_calls": [{key: value for key, value in delta.items() if value is not None}]}


def test_text_and_usage() -> None:
    assembler = fed({"role": "assistant", "content": None}, {"content": "Hel"}, {"content": "lo"}, {"content": ""})
    assembler.feed('{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}')
    assert assembler.feed("[DONE]") == ""
    assert assembler.completion() == Completion("Hello", (), "stop", 7, 2)


def test_each_piece_of_text_is_given_at_once() -> None:
    assembler = CompletionAssembler()
    assert (
        assembler.feed('{"choices": [{"delta": {"content": "Hi"}}, {"index": 1, "delta": {"content": "No"}}]}') == "Hi"
    )
    assert assembler.feed('{"choices": null, "usage": null, "system_fingerprint": 1}') == ""


def test_calls_by_index_interleaved() -> None:
    assembler = fed(
        call(0, "a", "add", ""),
        call(1, "b", "sub", None),
        call(0, None, None, '{"x"'),
        call(1, None, None, "{}"),
        call(0, None, None, ": 1}"),
        finish="tool_calls",
    )
    assert assembler.completion().tool_calls == (ToolCall("a", "add", '{"x": 1}'), ToolCall("b", "sub", "{}"))


@pytest.mark.parametrize("index", [None, 0])
def test_calls_of_endpoints_that_do_not_count(index: int | None) -> None:
    assembler = fed(call(index, "a", "add", "{}"), call(index, "b", "sub", "{"), call(index, None, None, "}"))
    assert assembler.completion().tool_calls == (ToolCall("a", "add", "{}"), ToolCall("b", "sub", "{}"))


def test_a_call_without_an_id_gets_one() -> None:
    assert fed(call(0, None, "add", "{}")).completion().tool_calls == (ToolCall("call_0", "add", "{}"),)


def test_a_call_without_a_name_is_refused() -> None:
    with pytest.raises(ModelError, match="without naming it"):
        fed(call(0, "a", None, "{}")).completion()


def test_calls_without_end_are_refused() -> None:
    with pytest.raises(ModelError, match="64 tool calls"):
        fed(*(call(number, f"id{number}", "add", "{}") for number in range(65)))


def test_an_end_without_done_or_reason_is_truncated() -> None:
    with pytest.raises(ModelError) as caught:
        fed({"content": "Hel"}, finish=None).completion()
    assert caught.value.cause == "truncated"


def test_done_alone_is_an_end_and_nothing_follows_it() -> None:
    assembler = fed({"content": "Hi"}, finish=None)
    assembler.feed("[DONE]")
    assert assembler.feed("garbage") == ""
    assert assembler.completion().text == "Hi"


@pytest.mark.parametrize(
    ("data", "cause", "message"),
    [
        ("not json", "bad_response", "not a completion chunk"),
        ('{"choices": {}}', "bad_response", "choices"),
        ('{"choices": [{"delta": {"content": 1}}]}', "bad_response", "content"),
        ('{"error": {"message": "overloaded", "code": 529}}', "upstream_error", "overloaded"),
        ('{"error": "plain"}', "upstream_error", "plain"),
        ('{"error": {"type": "server_error"}}', "upstream_error", "server_error"),
        ('{"error": {}}', "upstream_error", "unnamed error"),
    ],
)
def test_bad_chunks_and_errors_in_the_stream(data: str, cause: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        CompletionAssembler().feed(data)
    assert caught.value.cause == cause
