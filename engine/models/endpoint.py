"""Where a model is, how it is asked, and the body of a request to it."""

from __future__ import annotations

from collections.abc import Sequence

import httpx2
import msgspec
import orjson

from actors.event import Json
from actors.model import ModelMessage
from actors.tool import ToolSpec
from engine.models.retry import RetryPolicy


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model is and how it is asked. `base_url` ends before `/chat/completions`. Times are seconds.

    `read_timeout` bounds the silence between two pieces, `total_timeout` the whole call: every attempt, every wait
    between them, and the time that the receiver of the text takes. Answers over `max_bytes` are refused.
    Raises ValueError for a URL or key that no request could carry.
    """

    base_url: str
    model: str
    api_key: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    include_usage: bool = True
    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    total_timeout: float = 600.0
    max_bytes: int = 16 << 20
    retry: RetryPolicy = RetryPolicy()

    def __post_init__(self) -> None:
        try:
            url = httpx2.URL(self.base_url)
        except httpx2.InvalidURL as error:
            raise ValueError(f"base_url: {error}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("base_url: an http or https URL with a host is needed")
        if not all("!" <= character <= "~" for character in self.api_key):
            raise ValueError("api_key: it holds a character that no HTTP header may carry")

    def __repr__(self) -> str:
        return f"Endpoint(base_url={self.base_url!r}, model={self.model!r})"  # the key stays out of logs

    @property
    def url(self) -> str:
        return self.base_url.rstrip("/") + "/chat/completions"


def request_body(endpoint: Endpoint, messages: Sequence[ModelMessage], tools: Sequence[ToolSpec]) -> bytes:
    """A streaming request to `/chat/completions`."""
    body: dict[str, Json] = {
        "model": endpoint.model,
        "messages": [_message(message) for message in messages],
        "stream": True,
    }
    if endpoint.include_usage:
        body["stream_options"] = {"include_usage": True}
    if endpoint.temperature is not None:
        body["temperature"] = endpoint.temperature
    if endpoint.max_tokens is not None:
        body["max_tokens"] = endpoint.max_tokens
    if tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in tools
        ]
    return orjson.dumps(body)


def _message(message: ModelMessage) -> Json:
    plain: dict[str, Json] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        plain["content"] = message.content or None
        plain["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    return plain
