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
REMEMBERED = 500
"""Topics of a whole channel whose positions are kept: the server takes up at most 1,000 in one go."""


class Places:
    """What was handed out of each topic. Empty `topics` stand for the whole channel, whose topics are learned from
    their events: the place in one that has ended is forgotten, and beyond REMEMBERED the one unused for longest."""

    def __init__(
        self, channel: str, topics: Iterable[str], since: Mapping[str, Start], *, snapshot: bool = False
    ) -> None:
        """`snapshot`: each topic begins with one, where it does not go on without a gap."""
        self.channel = channel
        self.snapshot = snapshot
        self._awaited: set[str] = set()
        """Topics whose snapshot is to come: until then their places stay, so that it is asked for again after a cut."""
        self.topics = tuple(topics)
        self._known: dict[str, Position | Literal["0"]] = {
            topic: start for topic, start in since.items() if start is not None
        }
        self._asked: set[tuple[str, str]] = set()
        """Questions that were handed out and are open: the server asks them again with each subscription."""

    @property
    def everything(self) -> bool:
        return not self.topics

    def starts(self) -> dict[str, Position | Literal["0"]]:
        """Where to take up each topic that has a place."""
        return dict(self._known)

    def position(self, topic: str) -> Position | None:
        known = self._known.get(topic)
        return known if isinstance(known, Position) else None

    def positions(self) -> dict[str, Position]:
        return {topic: known for topic, known in self._known.items() if isinstance(known, Position)}

    def begin(self, topic: str, place: Place) -> Gap | None:
        """The server's word on where a topic starts. Returns the gap of a topic that is gone.

        Where something is lost the place stays as it was until the gap itself has come: a connection that breaks in
        between must not hide it.
        """
        known = self._known.get(topic)
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
        question = _question(event)
        asked_here = event.event_type == "step.confirm" and event.position == self.position(event.topic)
        return asked_here and question is not None and question not in self._asked

    def _note(self, pushed: Pushed, position: Position) -> None:
        topic = pushed.topic
        self._known.pop(topic, None)
        self._known[topic] = position
        if isinstance(pushed, Event):
            self._note_question(pushed)
            if self.everything and self.channel == "task" and pushed.event_type in ENDS_OF_A_TASK:
                del self._known[topic]
        if self.everything and len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    def _note_question(self, event: Event) -> None:
        question = _question(event)
        if event.event_type == "step.confirm" and question is not None:
            self._asked.add(question)
        elif event.event_type == "step.confirmed" and question is not None:
            self._asked.discard(question)
        elif event.event_type in ENDS_OF_A_TASK and self._asked:
            self._asked = {asked for asked in self._asked if asked[0] != event.topic}


def lowest(start: Position | Literal["0"], others: Iterable[Position | None]) -> Position | Literal["0"]:
    """The earliest of these places, so that who is further on misses nothing when the server goes back to it."""
    if start == "0":
        return start
    offsets = [other.offset for other in others if other is not None and other.epoch == start.epoch]
    return Position(start.epoch, min([start.offset, *offsets]))


def _question(event: Event) -> tuple[str, str] | None:
    data: Any = event.data
    step_id = data.get("step_id") if isinstance(data, dict) else None
    return (event.topic, step_id) if isinstance(step_id, str) else None
