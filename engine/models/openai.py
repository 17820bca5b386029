"""A model behind any endpoint that speaks OpenAI's `/chat/completions`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Self

import httpx2
import msgspec
import trio

from actors.model import Completion, ModelError, ModelMessage
from actors.tool import ToolSpec
from engine.models.assembler import CompletionAssembler, ErrorBody
from engine.models.endpoint import Endpoint, request_body
from engine.models.retry import retry_after_seconds
from engine.models.sse import SseOverflow, SseParser

_DRAIN_SECONDS = 0.25
_ERROR_BYTES = 65_536
_MESSAGE_LENGTH = 500

OnText = Callable[[str], Awaitable[None]]


class _Refused(Exception):
    """An attempt failed before anything of the answer came."""

    def __init__(self, error: ModelError, *, again: bool, retry_after: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.again = again
        self.retry_after = retry_after


class OpenAIModel:
    """Implements actors.model.Model.

    An attempt is repeated after 429, 5xx and a connection that failed, as `Endpoint.retry` says, and only until the
    endpoint began to answer: text that was shown is never shown twice. Causes of ModelError: `timeout`, `connect`,
    `rate_limited`, `unauthorized`, `upstream_error`, `bad_response`, `truncated`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        client: httpx2.AsyncClient,
        *,
        sleep: Callable[[float], Awaitable[None]] = trio.sleep,
        random: Random | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._endpoint = endpoint
        self._client = client
        self._sleep = sleep
        self._random = random or Random()  # noqa: S311  # it spreads retries, it keeps no secret
        self._now = now
        self._timeout = httpx2.Timeout(endpoint.read_timeout, connect=endpoint.connect_timeout, pool=None)

    @classmethod
    @asynccontextmanager
    async def open(cls, endpoint: Endpoint) -> AsyncIterator[Self]:
        """A model with a client of its own, closed at the end."""
        async with open_client() as client:
            yield cls(endpoint, client)

    async def complete(
        self, messages: Sequence[ModelMessage], *, tools: Sequence[ToolSpec] = (), on_text: OnText
    ) -> Completion:
        """See actors.model.Model. Whatever ends the call, the request upstream is closed when it returns."""
        body = request_body(self._endpoint, messages, tools)
        with trio.move_on_after(self._endpoint.total_timeout):
            return await self._until_answered(body, on_text)
        raise ModelError("timeout", f"the model took longer than {self._endpoint.total_timeout:g} seconds")

    async def _until_answered(self, body: bytes, on_text: OnText) -> Completion:
        attempt = 1
        while True:
            try:
                return await self._attempt(body, on_text)
            except _Refused as refused:
                wait = self._endpoint.retry.wait(attempt, refused.retry_after, self._random) if refused.again else None
                if wait is None:
                    raise refused.error from refused.__cause__
            await self._sleep(wait)
            attempt += 1

    async def _attempt(self, body: bytes, on_text: OnText) -> Completion:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if self._endpoint.api_key:
            headers["Authorization"] = f"Bearer {self._endpoint.api_key}"
        request = self._client.build_request(
            "POST", self._endpoint.url, content=body, headers=headers, timeout=self._timeout
        )
        response = await self._send(request)
        try:
            if not response.is_success or not _is_plain_event_stream(response):
                raise await self._refusal(response)
            return await self._read(response, on_text)
        finally:
            await response.aclose()

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self._client.send(request, stream=True)
        except httpx2.ConnectTimeout as error:
            raise _Refused(ModelError("timeout", "the endpoint took too long to accept"), again=True) from error
        except httpx2.TimeoutException as error:
            raise _Refused(ModelError("timeout", "the endpoint took too long to answer"), again=False) from error
        except httpx2.TransportError as error:
            reason = self._clean(str(error)) or type(error).__name__
            raise _Refused(ModelError("connect", f"no connection to the endpoint: {reason}"), again=True) from error

    async def _read(self, response: httpx2.Response, on_text: OnText) -> Completion:
        assembler = CompletionAssembler()
        try:
            # After its last word an endpoint gets a moment to end the response, so that the connection can be used
            # again; the scope ends the wait for one that does not.
            with trio.CancelScope() as reading:
                await self._read_chunks(response, assembler, reading, on_text)
        except httpx2.TimeoutException as error:
            raise ModelError("timeout", "the endpoint fell silent in mid-stream") from error
        except httpx2.TransportError as error:
            if not assembler.done:
                raise ModelError("truncated", f"the stream broke off: {self._clean(str(error))}") from error
        except SseOverflow as error:
            raise ModelError("bad_response", str(error)) from error
        except ModelError as error:
            raise ModelError(error.cause, self._clean(error.message)) from error.__cause__
        return assembler.completion()

    async def _read_chunks(
        self, response: httpx2.Response, assembler: CompletionAssembler, reading: trio.CancelScope, on_text: OnText
    ) -> None:
        parser = SseParser()
        received = 0
        async with _chunks(response) as chunks:
            async for chunk in chunks:
                received += len(chunk)
                if received > self._endpoint.max_bytes:
                    raise ModelError("bad_response", f"the answer is longer than {self._endpoint.max_bytes} bytes")
                for data in parser.feed(chunk):
                    text = assembler.feed(data)
                    if text:
                        await on_text(text)
                if assembler.done:
                    reading.deadline = min(reading.deadline, trio.current_time() + _DRAIN_SECONDS)

    async def _refusal(self, response: httpx2.Response) -> _Refused:
        status = response.status_code
        told = _told(await _beginning(response))
        if response.is_success:
            message = told or "it is no event stream, or it is compressed"
            return _Refused(ModelError("bad_response", self._clean(f"the answer is of no use: {message}")), again=False)
        cause = {401: "unauthorized", 403: "unauthorized", 429: "rate_limited"}.get(status, "upstream_error")
        message = self._clean(f"the endpoint answered {status}: {told or response.reason_phrase or 'no reason given'}")
        return _Refused(
            ModelError(cause, message),
            again=status == 429 or status >= 500,
            retry_after=retry_after_seconds(response.headers.get("retry-after"), self._now()),
        )

    def _clean(self, message: str) -> str:
        """Endpoints quote the key that they refuse."""
        key = self._endpoint.api_key
        return (message.replace(key, "***") if key else message)[:_MESSAGE_LENGTH]


def open_client(*, connections: int = 1000) -> httpx2.AsyncClient:
    """The HTTP client that all models of an engine share: `async with` it. Beyond `connections` requests wait."""
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=20)
    return httpx2.AsyncClient(limits=limits, follow_redirects=False)


def _is_plain_event_stream(response: httpx2.Response) -> bool:
    media_type: str = response.headers.get("content-type", "")
    return media_type.partition(";")[0].strip().lower() == "text/event-stream" and not _is_compressed(response)


def _is_compressed(response: httpx2.Response) -> bool:
    return response.headers.get("content-encoding", "identity") != "identity"


@asynccontextmanager
async def _chunks(response: httpx2.Response) -> AsyncIterator[AsyncIterator[bytes]]:
    """The body as it comes.

    Inside, httpx2 nests generators that do not close each other when the reader leaves early: the inner ones would be
    finalized by the garbage collector, which cannot await. Cancelling their last read unwinds them all, in order.
    """
    chunks = response.aiter_raw()
    try:
        yield chunks
    finally:
        with trio.CancelScope() as leaving, suppress(httpx2.RequestError):
            leaving.cancel()
            async for _ in chunks:
                pass


async def _beginning(response: httpx2.Response) -> bytes:
    """The first bytes of a body; what can be had of it, because the status alone says enough."""
    body = bytearray()
    if _is_compressed(response):
        return b""
    try:
        async with _chunks(response) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) >= _ERROR_BYTES:
                    break
    except httpx2.RequestError:
        pass
    return bytes(body[:_ERROR_BYTES])


def _told(body: bytes) -> str:
    """The message in an error's body: of the JSON form that OpenAI uses, else the text itself."""
    try:
        return msgspec.json.decode(body, type=ErrorBody).text
    except msgspec.DecodeError:
        return " ".join(body.decode("utf-8", "replace").split())
