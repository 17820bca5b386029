"""How far a subscription has come in each of its topics. Plain decisions, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from callboard_client.events import Event, Gap, Position
from callboard_client.frames import Place
from callboard_client.snapshots import Pushed, Snapshot

Start: TypeAlias = Position | Literal["0"] | None
"""Where to begin: after a position, with the oldest event kept, or with what comes."""

ENDS_OF_A_TASK = frozenset({"task.completed", "task.failed", "task.cancelled"})
_ASKED_BY = {"step.confirm": "step_id", "agent.client_tool_call": "call_id"}
_SETTLED_BY = {"step.confirmed": "step_id", "agent.client_tool_result": "call_id"}
WHOLE = "*"
"""Stands for all topics of a channel: its position is a mark, up to which everything was received of those topics that
have no position of their own."""
REMEMBERED = 500
"""Topics of a whole channel whose positions are kept: the server takes up at most 1,000 in one go."""
RENEWED = 128
"""After so many more topics a new mark is asked for, which stands for their positions."""


class Places:
    """What was handed out of each topic. Empty `topics` stand for the whole channel: of each topic that had an event
    since the mark the position is known, of all others the mark. A newer mark stands for the positions before it.

    Should more than REMEMBERED topics speak before there is one, the one that was silent for longest is forgotten, and
    the mark is of no use until then.
    """

    def __init__(
        self, channel: str, topics: Iterable[str], since: Mapping[str, Start], *, snapshot: bool = False
    ) -> None:
        """`snapshot`: each topic begins with one, where it does not go on without a gap."""
        self.channel = channel
        self.is_renewing = False
        """A new mark is being asked for."""
        self.snapshot = snapshot
        self._awaited: set[str] = set()
        """Topics whose snapshot is to come: until then their places stay, so that it is asked for again after a cut."""
        self.topics = tuple(topics)
        self._known: dict[str, Position | Literal["0"]] = {
            topic: start for topic, start in since.items() if start is not None
        }
        self._asked: set[tuple[str, str, str]] = set()
        """Questions that were handed out and are open: the server asks them again with each subscription."""
        self._fresh: set[str] = set()
        """The topics that have had an event since a new mark was asked for."""
        self._renewed_at = RENEWED
        self._has_forgotten = False

    @property
    def everything(self) -> bool:
        return not self.topics

    def starts(self) -> dict[str, Position | Literal["0"]]:
        """Where to take up each topic that has a place, and all others."""
        return {topic: start for topic, start in self._known.items() if topic != WHOLE or not self._has_forgotten}

    def position(self, topic: str) -> Position | None:
        known = self._known.get(topic)
        return known if isinstance(known, Position) else None

    def positions(self) -> dict[str, Position]:
        """All that can be taken up later, the mark among them."""
        return {topic: start for topic, start in self.starts().items() if isinstance(start, Position)}

    def begin(self, topic: str, place: Place) -> Gap | None:
        """The server's word on where a topic starts. Returns the gap of a topic that is gone.

        Where something is lost the place stays as it was until the gap itself has come: a connection that breaks in
        between must not hide it.
        """
        known = self._known.get(topic)
        if topic == WHOLE and self._has_forgotten:
            return self._begin_anew(Position(place.epoch, place.offset))
        if not place.epoch:
            self._known.pop(topic, None)
            first = known.offset + 1 if isinstance(known, Position) else 1
            return Gap(channel=self.channel, topic=topic, first=first, last=None, reason="gone", position=None)
        self._awaited.discard(topic)
        if self.snapshot and (known is None or not place.recovered):
            self._awaited.add(topic)
        elif known is None or (known == "0" and place.recovered):
            self._known[topic] = Position(place.epoch, place.offset)
        return None

    @property
    def needs_mark(self) -> bool:
        """Whether there are so many positions that a new mark is worth its request."""
        return (
            len(self._known) >= self._renewed_at and not self.is_renewing and self.everything and WHOLE in self._known
        )

    def begin_renewal(self) -> None:
        """A new mark is asked for. What comes from now on may be behind it."""
        self.is_renewing = True
        self._fresh.clear()

    def renew(self, places: Mapping[str, Place]) -> None:
        """The server's word on how far it has sent everything: up to the mark, but for the topics it names. Without a
        mark it is too far behind, and all stays as it is."""
        if WHOLE not in places:
            return
        known = {topic: at for topic, at in self._known.items() if topic in self._fresh or topic in places}
        for topic, place in places.items():
            if topic == WHOLE or topic not in known:
                known[topic] = Position(place.epoch, place.offset)
        self._known = known
        self._has_forgotten = False

    def end_renewal(self) -> None:
        """There is a new mark, or none to be had now."""
        self.is_renewing = False
        self._renewed_at = len(self._known) + RENEWED

    def takes(self, pushed: Pushed) -> bool:
        """Whether this is to be handed out, and is noted as handed out; False for what was before."""
        match pushed:
            case Gap(position=position):
                fresh = pushed.reason == "future" or not self._is_before(pushed.topic, position, strictly=True)
            case Snapshot(position=position):
                fresh = self.snapshot and not self._is_before(pushed.topic, position, strictly=True)
                self._awaited.discard(pushed.topic)
            case Event(position=position):
                fresh = self._asks_anew(pushed) or not self._is_before(pushed.topic, position)
        if fresh and position is not None and pushed.topic not in self._awaited:
            self._note(pushed, position)
        return fresh

    def _is_before(self, topic: str, position: Position | None, *, strictly: bool = False) -> bool:
        known = self.position(topic)
        if known is None or position is None or known.epoch != position.epoch:
            return False
        return position.offset < known.offset if strictly else position.offset <= known.offset

    def _asks_anew(self, event: Event) -> bool:
        """An open question is repeated at the place where a subscription starts, which was seen by then."""
        question = _question(event, _ASKED_BY)
        asked_here = question is not None and event.position == self.position(event.topic)
        return asked_here and question not in self._asked

    def _note(self, pushed: Pushed, position: Position) -> None:
        topic = pushed.topic
        self._known.pop(topic, None)
        self._known[topic] = position
        if self.is_renewing:
            self._fresh.add(topic)
        if isinstance(pushed, Event):
            self._note_question(pushed)
        if self.everything and len(self._known) > REMEMBERED:
            del self._known[next(known for known in self._known if known != WHOLE)]
            self._has_forgotten = WHOLE in self._known

    def _begin_anew(self, mark: Position) -> Gap:
        """What has come of topics that were forgotten is not known, so that they cannot be taken up."""
        before = self.position(WHOLE)
        first = before.offset + 1 if before is not None and before.epoch == mark.epoch else 1
        self._known[WHOLE] = mark
        self._has_forgotten = False
        return Gap(channel=self.channel, topic=WHOLE, first=first, last=mark.offset, reason="forgotten", position=mark)

    def _note_question(self, event: Event) -> None:
        if (asked := _question(event, _ASKED_BY)) is not None:
            self._asked.add(asked)
        elif (settled := _question(event, _SETTLED_BY)) is not None:
            self._asked.discard(settled)
        elif event.event_type in ENDS_OF_A_TASK and self._asked:
            self._asked = {asked for asked in self._asked if asked[0] != event.topic}


def lowest(start: Position | Literal["0"], others: Iterable[Position | None]) -> Position | Literal["0"]:
    """The earliest of these places, so that who is further on misses nothing when the server goes back to it."""
    if start == "0":
        return start
    offsets = [other.offset for other in others if other is not None and other.epoch == start.epoch]
    return Position(start.epoch, min([start.offset, *offsets]))


def _question(event: Event, named_by: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Which question of which topic the event is about, if its type is among these."""
    member = named_by.get(event.event_type)
    data: Any = event.data
    name = data.get(member) if member is not None and isinstance(data, dict) else None
    return (event.topic, member, name) if member is not None and isinstance(name, str) else None
