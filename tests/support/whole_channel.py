"""A client of a whole channel in memory: the gateway's core on one side, the Python client's decisions on the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import msgspec
import orjson

from actors.admission import WHOLE, Admission
from actors.commands import Start
from actors.connection import Connection
from actors.event import ChannelKey, Event
from actors.outbox import Outbox
from actors.position import Position
from callboard_client import Event as ClientEvent
from callboard_client import Gap, Pushed
from callboard_client import Position as ClientPosition
from callboard_client.frames import Place
from callboard_client.places import Places
from tests.support.drafts import fact
from tests.support.world import ADMIN, MemorySink, World

CHANNEL = "app"


class _Lines:
    """An event as one line of JSON."""

    def encode(self, event: Event) -> bytes:
        return orjson.dumps([event.key.topic, event.epoch, event.offset, event.event_type, event.data]) + b"\n"


_LINES = _Lines()


class WholeChannel:
    """`gaps` are all that it was told; `beginnings` where each life of a topic stood when it subscribed first."""

    def __init__(self, world: World) -> None:
        self.places = Places(CHANNEL, (), {})
        self.offsets: dict[tuple[str, str], list[int]] = defaultdict(list)
        """What it has of each topic's life, by topic and epoch."""
        self.gaps: list[Gap] = []
        self.tails: dict[tuple[str, str], int] = {}
        """Of every life that there was, kept by the publisher."""
        self.beginnings: dict[tuple[str, str], int] | None = None
        self.is_busy = False
        """The server is carrying out its request: the next one waits."""
        self._world = world
        self._connection: Connection | None = None
        self._sink = MemorySink()
        self._read = 0
        self._before: dict[tuple[str, str], int] = {}

    async def publish(self, topic: str) -> None:
        position = await self._world.channels.publish(ChannelKey(CHANNEL, topic), fact(0))
        self.tails[topic, position.epoch] = position.offset

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    def connect(self, room: int | None) -> None:
        """Subscribes as the places say. Its socket takes so many bytes until `let_through`."""
        self._sink, self._read, self.is_busy = MemorySink(room), 0, False
        outbox = Outbox(self._sink, self._world.nursery.start_soon, self._world.limits.outbox)
        self._connection = connection = Connection(self._world.router, outbox, _LINES, lambda *_: None, 100)
        connection.principal = ADMIN
        starts = {topic: _start(place) for topic, place in self.places.starts().items()}
        admissions = connection.admit(CHANNEL, starts, everything=True)
        self._before = dict(self.tails)
        self._answer(outbox, "subscribed", admissions)
        rest = connection.enter(CHANNEL, admissions, everything=True)
        if rest is not None:
            self.is_busy = True

            async def finish() -> None:
                await rest
                self.is_busy = self.is_busy and self._connection is not connection

            self._world.nursery.start_soon(finish)

    async def renew(self) -> None:
        """The server answers how far it has sent everything. `begin_renewal` goes before."""
        assert self._connection is not None
        self._answer(self._connection.outbox, "renewed", await self._connection.standing(CHANNEL))

    def let_through(self, room: int | None) -> None:
        self._sink.let_through(room)

    def cut(self) -> None:
        """What the socket took has arrived, and not a byte more."""
        self.receive()
        assert self._connection is not None
        self._connection.detach()
        self._connection.outbox.abort()
        self._connection = None
        self.places.end_renewal()

    def receive(self) -> None:
        end = self._sink.written.rfind(b"\n") + 1
        for line in bytes(self._sink.written[self._read : end]).splitlines():
            match orjson.loads(line):
                case ["subscribed", positions]:
                    self._begin(msgspec.convert(positions, dict[str, Place]))
                case ["renewed", positions]:
                    self.places.renew(msgspec.convert(positions, dict[str, Place]))
                    self.places.end_renewal()
                case [topic, epoch, offset, kind, data]:
                    self._take(_pushed(topic, ClientPosition(epoch, offset), kind, data))
        self._read = end

    def missed(self) -> list[tuple[str, str, int]]:
        """What it should have of each life and has not, unless it was told so. Nothing may come twice, or back."""
        assert self.beginnings is not None
        missed = []
        for (topic, epoch), tail in self.tails.items():
            got = self.offsets[topic, epoch]
            assert got == sorted(set(got)), (topic, got)
            due = set(range(self.beginnings.get((topic, epoch), 0) + 1, tail + 1)) - set(got)
            missed += [(topic, epoch, offset) for offset in sorted(due) if not self._is_told(topic, epoch, offset)]
        return missed

    def _is_told(self, topic: str, epoch: str, offset: int) -> bool:
        for gap in self.gaps:
            if gap.topic == WHOLE:
                return True
            if gap.topic == topic:
                of_this_life = gap.position is not None and gap.position.epoch == epoch
                if of_this_life and gap.last is not None and gap.first <= offset <= gap.last:
                    return True
                # The rest of a former life: how long it was is known no more.
                if gap.reason in ("epoch", "gone") and not of_this_life:
                    return True
        return False

    def _begin(self, positions: Mapping[str, Place]) -> None:
        if self.beginnings is None:
            self.beginnings = self._before
        for topic, place in positions.items():
            gap = self.places.begin(topic, place)
            if gap is not None:
                self.gaps.append(gap)

    def _take(self, pushed: Pushed) -> None:
        if not self.places.takes(pushed):
            return
        match pushed:
            case Gap():
                self.gaps.append(pushed)
            case ClientEvent(position=position):
                self.offsets[pushed.topic, position.epoch].append(position.offset)

    @staticmethod
    def _answer(outbox: Outbox, kind: str, admissions: tuple[Admission, ...]) -> None:
        positions = {
            each.key.topic: {"epoch": each.epoch, "offset": each.start.offset, "recovered": each.recovered}
            for each in admissions
        }
        outbox.put_nowait(orjson.dumps([kind, positions]) + b"\n")


def _start(place: ClientPosition | str) -> Start:
    return Position(place.epoch, place.offset) if isinstance(place, ClientPosition) else "oldest"


def _pushed(topic: str, position: ClientPosition, kind: str, data: object) -> Pushed:
    if kind == "gap" and isinstance(data, dict):
        first, last, reason = data["from"], data["to"], data["reason"]
        return Gap(channel=CHANNEL, topic=topic, first=first, last=last, reason=reason, position=position)
    return ClientEvent(
        channel=CHANNEL,
        topic=topic,
        event_type=kind,
        data=data,
        position=position,
        first=position.offset,
        timestamp=1,
    )
