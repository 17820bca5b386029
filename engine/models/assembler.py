"""One completion, put together from the chunks of an OpenAI-compatible stream."""

from __future__ import annotations

import msgspec

from actors.model import Completion, ModelError, ToolCall

DONE = "[DONE]"
_MOST_CALLS = 64


class UpstreamError(msgspec.Struct, frozen=True):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """What endpoints answer in place of a completion: an error as an object or as a string."""

    error: UpstreamError | str | None = None

    @property
    def text(self) -> str:
        """The message, or the best there is; empty where there is no error."""
        match self.error:
            case None:
                return ""
            case str() as text:
                return text or "unnamed error"
            case error:
                return error.message or error.type or str(error.code or "unnamed error")


class _Function(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _CallDelta(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None
    tool_calls: list[_CallDelta] | None = None


class _Choice(msgspec.Struct, frozen=True):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(ErrorBody, frozen=True):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None


class _OpenCall:
    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


_chunks = msgspec.json.Decoder(_Chunk)


class CompletionAssembler:
    """Takes the data of each event in order; `completion` is the whole, once the stream ended."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._calls: list[_OpenCall] = []
        self._by_index: dict[int, _OpenCall] = {}
        self._finish_reason = ""
        self._usage = _Usage()
        self.done = False
        """True once the stream has said that nothing follows."""

    def feed(self, data: str) -> str:
        """The piece of text in one event, often empty. Raises ModelError bad_response, upstream_error."""
        if self.done:
            return ""
        if data.strip() == DONE:
            self.done = True
            return ""
        try:
            chunk = _chunks.decode(data)
        except msgspec.DecodeError as error:
            raise ModelError("bad_response", f"a piece of the stream is not a completion chunk: {error}") from error
        if chunk.error is not None:
            raise ModelError("upstream_error", f"the endpoint failed in mid-stream: {chunk.text}")
        if chunk.usage is not None:
            self._usage = chunk.usage
        return "".join(self._choice(choice) for choice in chunk.choices or () if choice.index == 0)

    def completion(self) -> Completion:
        """Raises ModelError truncated when the end is missing, bad_response for a tool call without a name."""
        if not self.done and not self._finish_reason:
            raise ModelError("truncated", "the endpoint closed the stream before the answer was complete")
        return Completion(
            text="".join(self._text),
            tool_calls=tuple(_closed(number, call) for number, call in enumerate(self._calls)),
            finish_reason=self._finish_reason,
            prompt_tokens=self._usage.prompt_tokens or 0,
            completion_tokens=self._usage.completion_tokens or 0,
        )

    def _choice(self, choice: _Choice) -> str:
        self._finish_reason = choice.finish_reason or self._finish_reason
        if choice.delta is None:
            return ""
        for delta in choice.delta.tool_calls or ():
            self._extend(self._call_of(delta), delta)
        text = choice.delta.content or ""
        if text:
            self._text.append(text)
        return text

    def _call_of(self, delta: _CallDelta) -> _OpenCall:
        """The call that a delta belongs to.

        Some endpoints leave the index out, or count all calls as 0: there, a new id begins a new call.
        """
        last = self._calls[-1] if self._calls else None
        call = last if delta.index is None else self._by_index.get(delta.index)
        if call is None or (delta.id and call.id and delta.id != call.id):
            if len(self._calls) >= _MOST_CALLS:
                raise ModelError("bad_response", f"the model asks for more than {_MOST_CALLS} tool calls at once")
            call = _OpenCall()
            self._calls.append(call)
            if delta.index is not None:
                self._by_index[delta.index] = call
        return call

    def _extend(self, call: _OpenCall, delta: _CallDelta) -> None:
        call.id = call.id or delta.id or ""
        if delta.function is not None:
            call.name = call.name or delta.function.name or ""
            if delta.function.arguments:
                call.arguments.append(delta.function.arguments)


def _closed(number: int, call: _OpenCall) -> ToolCall:
    if not call.name:
        raise ModelError("bad_response", "the model asks for a tool without naming it")
    return ToolCall(call.id or f"call_{number}", call.name, "".join(call.arguments))
