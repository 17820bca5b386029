"""A client of the gateway over a WebSocket: the frames and the places are those of the Python client."""

from __future__ import annotations

from random import Random

from actors.position import Position
from callboard_client.errors import RequestRefused
from callboard_client.events import Event, Gap
from callboard_client.frames import Reply, Subscribed, decode, encode_request, read
from callboard_client.places import WHOLE, Places, Start
from callboard_client.snapshots import Pushed, Snapshot
from tests.simulation.device import Connect, Device
from tests.simulation.frames import Frames
from tests.simulation.ledger import Began, Item, Missed, Seen
from tests.simulation.topics import CHANNEL, words_of


class GatewayDevice(Device):
    """Of topics by name, or of the whole channel."""

    parts = Frames

    def __init__(
        self, name: str, starts: dict[str, Start], connect: Connect, chance: Random, *, whole: bool = False
    ) -> None:
        """`whole`: of all topics from the first event on; those of `starts` are all there are."""
        super().__init__(name, starts, connect, chance)
        self._is_whole = whole
        self._is_behind = False
        """Of topics that it has heard nothing of it was told that something may be missing."""
        self._topics = () if whole else tuple(starts)
        self._places = Places(CHANNEL, self._topics, {WHOLE: "0"} if whole else starts)

    def position(self, topic: str) -> Position | None:
        known = self._places.position(topic)
        return None if known is None else Position(known.epoch, known.offset)

    def is_level(self, topic: str, tail: Position) -> bool:
        if self._is_whole and _begins(self.records[topic]):
            return not tail.offset or (self._is_behind and not self.records[topic])
        return super().is_level(topic, tail)

    def request(self) -> str:
        since = {topic: str(start) for topic, start in self._places.starts().items()}
        return encode_request("1", "subscribe", {"channel": CHANNEL, "topics": list(self._topics), "since": since})

    def told(self, text: bytes) -> tuple[str, Seen] | None:
        frame = decode(text)
        return (frame.topic, _seen(frame)) if isinstance(frame, Event) else None

    def take(self, text: bytes) -> None:
        match decode(text):
            case Reply() as reply:
                try:
                    positions = read(reply, Subscribed).positions
                except RequestRefused:
                    # Whoever serves it has crashed in the midst of this.
                    self.cut()
                    return
                for topic, place in positions.items():
                    gone = self._places.begin(topic, place)
                    assert gone is None, "a topic of everybody's is never gone"
                    if topic != WHOLE and (known := self._places.position(topic)) is not None:
                        self.records[topic].append(Began(known.epoch, known.offset))
            case frame if self._places.takes(frame):
                if frame.topic == WHOLE:
                    self._is_behind = True
                else:
                    self._write_down(self.records[frame.topic], _noted(frame))

    def _write_down(self, record: list[Item], item: Item) -> None:
        if self._is_whole and _begins(record):
            # Nothing says where a topic begins of which it has heard nothing so far.
            match item:
                case Seen(epoch, first, _, _):
                    record.append(Began(epoch, first - 1 if self._is_behind and not record else 0))
                case Missed(epoch, 1, last, "retention", _):
                    # Of what has left the memory it is not known what was before the mark.
                    item = Began(epoch, last)
        record.append(item)


def _begins(record: list[Item]) -> bool:
    """Whether nothing was heard of the topic so far, or of the one of that name which is gone."""
    return not record or (isinstance(record[-1], Missed) and record[-1].reason == "gone")


def _noted(pushed: Pushed) -> Item:
    match pushed:
        case Event():
            return _seen(pushed)
        case Gap(position=position):
            assert position is not None
            assert pushed.last is not None
            return Missed(position.epoch, pushed.first, pushed.last, pushed.reason, position.offset)
        case Snapshot():
            raise AssertionError("no snapshot was asked for")


def _seen(event: Event) -> Seen:
    at = event.position
    return Seen(at.epoch, event.first, at.offset, words_of(event.event_type, event.data, at.offset))
