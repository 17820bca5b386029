"""The port behind which language models are called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from actors.tool import ToolSpec


class ToolCall(msgspec.Struct, frozen=True):
    """A call that the model asks for. `arguments` is the JSON text as the model wrote it, which may be invalid."""

    id: str
    name: str
    arguments: str


class ModelMessage(msgspec.Struct, frozen=True):
    """One message of the prompt. `role` is system, user, assistant or tool; a tool's answer names its call."""

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


class Completion(msgspec.Struct, frozen=True):
    """What the model answered, whole. Token counts are 0 where the endpoint does not report them."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ModelError(Exception):
    """The endpoint failed. `cause` is a short code: timeout, connect, rate_limited, upstream_error, bad_response, …"""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message


class Model(Protocol):
    """One model endpoint."""

    async def complete(
        self,
        messages: Sequence[ModelMessage],
        *,
        tools: Sequence[ToolSpec] = (),
        on_text: Callable[[str], Awaitable[None]],
    ) -> Completion:
        """Streams one answer, each piece of text to `on_text` as it comes, and returns it whole.

        Cancelling the call closes the request upstream. Raises ModelError.
        """
        ...
