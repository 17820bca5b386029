"""A client of event streams: HTTP/1.1 parsed strictly by h11, blocks by the rules of the HTML standard."""

from __future__ import annotations

from typing import Any

import h11
import orjson
import trio

from actors.event import Json


class Block:
    """One block: its fields as they came, `data` joined, and `comments`."""

    def __init__(self, text: str) -> None:
        self.fields: dict[str, str] = {}
        self.comments: list[str] = []
        for line in text.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not name:
                self.comments.append(value)
            elif name == "data" and "data" in self.fields:
                self.fields["data"] += "\n" + value
            else:
                assert name not in self.fields, text
                self.fields[name] = value

    @property
    def event(self) -> str:
        return self.fields.get("event", "message")

    @property
    def id(self) -> str:
        return self.fields["id"]

    @property
    def payload(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.fields["data"])
        return found

    @property
    def data(self) -> Json:
        """The event's data, out of the payload."""
        data: Json = self.payload["data"]
        return data


class StreamClient(trio.abc.AsyncResource):
    """Every wait fails after ten seconds."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.status = 0
        self.headers: dict[str, str] = {}
        self.chunks = 0
        self._parser = h11.Connection(h11.CLIENT)
        self._text = ""
        self._ended = False

    async def get(self, path: str, headers: dict[str, str] | None = None, *, method: str = "GET") -> StreamClient:
        """Asks, and returns once the head of the answer is there. May be repeated after a whole answer."""
        if self._parser.our_state is h11.DONE:
            self._parser.start_next_cycle()
            self._ended = False
        named = [("host", "test"), *(headers or {}).items()]
        request = self._parser.send(h11.Request(method=method, target=path, headers=named))
        with trio.fail_after(10):
            await self.stream.send_all(request + self._parser.send(h11.EndOfMessage()))
        head = await self._next()
        assert isinstance(head, h11.Response), head
        self.status = head.status_code
        self.headers = {name.decode(): value.decode() for name, value in head.headers}
        return self

    async def block(self) -> Block | None:
        """The next block; None once the answer has come to its proper end."""
        while "\n\n" not in self._text:
            if self._ended:
                assert not self._text
                return None
            match await self._next():
                case h11.Data() as part:
                    self._text += bytes(part.data).decode()
                    self.chunks += part.chunk_end
                case h11.EndOfMessage():
                    self._ended = True
                case other:
                    raise AssertionError(other)
        block, _, self._text = self._text.partition("\n\n")
        return Block(block)

    async def event(self) -> Block:
        """The next block, which must be there."""
        block = await self.block()
        assert block is not None
        return block

    async def body(self) -> dict[str, Any]:
        """The rest of the answer, as an object; an empty one where there is nothing."""
        data = b""
        while isinstance(part := await self._next(), h11.Data):
            data += part.data
        assert isinstance(part, h11.EndOfMessage)
        found: dict[str, Any] = orjson.loads(data or b"{}")
        return found

    async def _next(self) -> h11.Event:
        with trio.fail_after(10):
            while (event := self._parser.next_event()) is h11.NEED_DATA:
                self._parser.receive_data(bytes(await self.stream.receive_some()))
        assert isinstance(event, h11.Event), event
        return event

    async def aclose(self) -> None:
        await self.stream.aclose()
