"""How far a subscription has come in each of its topics. Plain decisions, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from callboard_client.events import Event, Gap, Position, Pushed
from callboard_client.frames import Place

Start: TypeAlias = Position | Literal["0"] | None
"""Where to begin: after a position, with the oldest event kept, or with what comes."""

ENDS_OF_A_TASK = frozenset({"task.completed", "task.failed", "task.cancelled"})
_ASKED_BY = {"step.confirm": "step_id", "agent.client_tool_call": "call_id"}
_SETTLED_BY = {"step.confirmed": "step_id", "agent.client_tool_result": "call_id"}
REMEMBERED = 500
"""Topics of a whole channel whose positions are kept: the server takes up at most 1,000 in one go."""


class Places:
    """What was handed out of each topic. Empty `topics` stand for the whole channel, whose topics are learned from
    their events: the place in one that has ended is forgotten, and beyond REMEMBERED the one unused for longest."""

    def __init__(self, channel: str, topics: Iterable[str], since: Mapping[str, Start]) -> None:
        self.channel = channel
        self.topics = tuple(topics)
        self._known: dict[str, Position | Literal["0"]] = {
            topic: start for topic, start in since.items() if start is not None
        }
        self._asked: set[tuple[str, str, str]] = set()
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
        if known is None or (known == "0" and place.recovered):
            self._known[topic] = Position(place.epoch, place.offset)
        return None

    def takes(self, pushed: Pushed) -> bool:
        """Whether this is to be handed out, and is noted as handed out; False for what was before."""
        match pushed:
            case Gap(position=position):
                fresh = pushed.reason == "future" or not self._is_before(pushed.topic, position, strictly=True)
            case Event(position=position):
                fresh = self._asks_anew(pushed) or not self._is_before(pushed.topic, position)
        if fresh and position is not None:
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
        if isinstance(pushed, Event):
            self._note_question(pushed)
            if self.everything and self.channel == "task" and pushed.event_type in ENDS_OF_A_TASK:
                del self._known[topic]
        if self.everything and len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

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
