"""The other end of a connection: sends bytes as told, and reads whole responses."""

from __future__ import annotations

import h11
import msgspec
import trio


class Reply(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes
    informational: tuple[int, ...] = ()


class Client:
    """Every wait fails after ten seconds."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._buffer = b""

    async def send(self, data: bytes) -> None:
        with trio.fail_after(10):
            await self.stream.send_all(data)

    async def get(self, path: str = "/", headers: str = "") -> Reply:
        await self.send(f"GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n".encode())
        return await self.reply()

    async def reply(self) -> Reply:
        """The next response, parsed strictly. What follows it stays for the next call."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method="GET", target="/", headers=[("host", "test")]))
        parser.send(h11.EndOfMessage())
        data, self._buffer = self._buffer, b""
        head: h11.Response | None = None
        body = b""
        informational: list[int] = []
        if data:
            parser.receive_data(data)
        with trio.fail_after(10):
            while True:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    parser.receive_data(bytes(await self.stream.receive_some()))
                elif isinstance(event, h11.InformationalResponse):
                    informational.append(event.status_code)
                elif isinstance(event, h11.Response):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    break
                else:
                    raise AssertionError(event)
        assert head is not None
        self._buffer = parser.trailing_data[0]
        headers = {name.decode(): value.decode() for name, value in head.headers}
        return Reply(head.status_code, headers, body, tuple(informational))

    async def exactly(self, count: int) -> bytes:
        with trio.fail_after(10):
            while len(self._buffer) < count:
                data = await self.stream.receive_some()
                assert data, self._buffer
                self._buffer += data
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        data, self._buffer = self._buffer, b""
        with trio.fail_after(10):
            while more := await self.stream.receive_some():
                data += more
        return data

    async def close(self) -> None:
        await self.stream.aclose()
