"""A client of the gateway on a simulated network: the frames and the places are those of the Python client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from random import Random

import trio
from wsproto.frame_protocol import FrameProtocol, Opcode

from callboard_client.events import Event, Gap
from callboard_client.frames import Reply, Subscribed, decode, encode_request, read
from callboard_client.places import Places, Start
from callboard_client.snapshots import Pushed, Snapshot
from tests.simulation.ledger import Began, Item, Missed, Seen
from tests.simulation.wire import Wire

CHANNEL = "app"
_RETRY_SECONDS = 0.5


class Frames:
    """Takes a server's bytes apart into the texts of its frames; what is not whole yet waits."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._data += data
        while (end := self._end()) is not None:
            start, stop = end
            text = bytes(self._data[start:stop])
            is_text = self._data[0] & 0x0F == Opcode.TEXT
            del self._data[:stop]
            if is_text:
                yield text

    def _end(self) -> tuple[int, int] | None:
        data = self._data
        if len(data) < 2:
            return None
        long = {126: 2, 127: 8}.get(data[1], 0)
        size = int.from_bytes(data[2 : 2 + long], "big") if long else data[1]
        stop = 2 + long + size
        return (2 + long, stop) if len(data) >= stop else None


class Device:
    """Follows topics, from `starts` on, over one connection after the other, and writes down what it is handed."""

    def __init__(
        self, name: str, starts: dict[str, Start], connect: Callable[[], Awaitable[Wire]], chance: Random
    ) -> None:
        """`connect` returns once an engine listens."""
        self.name = name
        self.records: dict[str, list[Item]] = {topic: [] for topic in starts}
        self.wire: Wire | None = None
        self._topics = tuple(starts)
        self._places = Places(CHANNEL, self._topics, starts)
        self._connect = connect
        self._chance = chance

    async def run(self) -> None:
        while True:
            self.wire = await self._connect()
            await self._follow(self.wire)
            await trio.sleep(self._chance.random() * _RETRY_SECONDS)

    def cut(self) -> None:
        if self.wire is not None:
            self.wire.cut()

    def stall(self) -> None:
        if self.wire is not None:
            self.wire.stall()

    def flow(self) -> None:
        if self.wire is not None:
            self.wire.flow()

    def position(self, topic: str) -> str:
        return str(self._places.position(topic))

    async def _follow(self, wire: Wire) -> None:
        since = {topic: str(start) for topic, start in self._places.starts().items()}
        asked = {"channel": CHANNEL, "topics": list(self._topics), "since": since}
        wire.say(_masked(encode_request("1", "subscribe", asked)))
        frames = Frames()
        while data := await wire.hear():
            for text in frames.feed(data):
                self._take(decode(text))

    def _take(self, frame: Reply | Pushed) -> None:
        match frame:
            case Reply():
                for topic, place in read(frame, Subscribed).positions.items():
                    gone = self._places.begin(topic, place)
                    assert gone is None, "a topic of everybody's is never gone"
                    if (known := self._places.position(topic)) is not None:
                        self.records[topic].append(Began(known.epoch, known.offset))
            case _:
                if self._places.takes(frame):
                    self.records[frame.topic].append(noted(frame))


def noted(pushed: Pushed) -> Item:
    match pushed:
        case Event(position=position):
            return Seen(position.epoch, pushed.first, position.offset, words_of(pushed.data))
        case Gap(position=position):
            assert position is not None
            assert pushed.last is not None
            return Missed(position.epoch, pushed.first, pushed.last, pushed.reason, position.offset)
        case Snapshot():
            raise AssertionError("no snapshot was asked for")


def words_of(data: object) -> tuple[str, ...]:
    """Of an event, or of several that were merged."""
    assert isinstance(data, dict)
    return tuple(str(data["content"]).split())


def _masked(text: str) -> bytes:
    return bytes(FrameProtocol(client=True, extensions=[]).send_data(text, fin=True))
