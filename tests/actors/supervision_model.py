"""The rules of a static supervisor once more, as one plain sequential program over a list of timed events."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from actors.childspec import Backoff, Intensity, Restart, Strategy
from tests.actors.scripted import Life


class Child(msgspec.Struct, frozen=True):
    name: str
    restart: Restart
    lives: tuple[Life, ...]
    then: Life


class Case(msgspec.Struct, frozen=True):
    """A supervisor, the scripts of its children, and when it is stopped, how."""

    strategy: Strategy
    intensity: Intensity
    backoff: Backoff
    start_deadline: float
    stop_deadline: float
    children: tuple[Child, ...]
    stop_at: float
    cancelled: bool


class Due(msgspec.Struct, frozen=True):
    """Something that happens at a time: the child's `own` doing, or else its supervisor's."""

    time: float
    place: Place
    happens: Callable[[], None]
    own: bool


class StopAsked(Exception):
    pass


class StartFails(Exception):
    pass


class GivesUp(Exception):
    pass


class Place:
    """A child's state in the model."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.runs = 0
        self.running = self.asked = self.overdue = False
        self.up_at: float | None = None
        self.ran = 0.0
        self.gone_at = 0.0
        self.delay: float | None = None
        self.life = child.then


class Model:
    """Predicts the trace and the outcome. Everything is driven by `wait_until`, which lets due events happen."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.now = 0.0
        self.trace: list[tuple[float, str, str]] = []
        self.places = [Place(child) for child in case.children]
        self.events: list[Due] = []
        self.failed: list[Place] = []
        self.restarts: list[float] = []
        self.stopping = False

    def run(self) -> str:
        outcome = "cancelled" if self.case.cancelled else "stopped"
        try:
            for place in self.places:
                self.start(place)
            while True:
                if self.failed:
                    self.recover(self.failed.pop(0))
                else:
                    self.wait_until(min((event.time for event in self.events), default=math.inf))
        except (StartFails, GivesUp) as end:
            outcome = type(end).__name__
        except StopAsked:
            pass
        self.stopping = True
        self.events = [event for event in self.events if event.own]
        for place in reversed(self.places):
            self.stop(place)
        for place in self.places:
            self.wait_until(max(self.now, place.gone_at if place.running else 0))
        return outcome

    def note(self, place: Place, what: str) -> None:
        self.trace.append((self.now, place.child.name, what))

    def wait_until(self, time: float) -> None:
        """Time passes. Raises StopAsked when the stop comes first."""
        stop = math.inf if self.stopping else self.case.stop_at
        while self.events and (event := min(self.events, key=lambda due: due.time)).time <= min(time, stop):
            self.events.remove(event)
            self.now = event.time
            event.happens()
        self.now = min(time, stop)
        if stop <= time:
            raise StopAsked

    def at(self, time: float, place: Place, happens: Callable[[], None], *, own: bool) -> None:
        self.events.append(Due(time, place, happens, own))

    # What a child does.

    def begin(self, place: Place) -> bool:
        """A run begins; True where it is going to acknowledge or fail within the deadline."""
        lives = place.child.lives
        place.life = lives[place.runs] if place.runs < len(lives) else place.child.then
        place.runs += 1
        place.running, place.asked, place.overdue, place.up_at, place.ran = True, False, False, None, 0.0
        self.note(place, "start")
        return place.life.ack is not None and place.life.ack <= self.case.start_deadline

    def acknowledge(self, place: Place) -> None:
        """It comes up, or fails to: StartFails."""
        if place.life.fails:
            self.note(place, "fail")
            place.running = False
            raise StartFails
        self.note(place, "up")
        place.up_at = self.now
        if place.life.lasts is not None:
            self.at(self.now + place.life.lasts, place, lambda: self.end_by_itself(place), own=True)

    def end_by_itself(self, place: Place) -> None:
        self.note(place, "crash" if place.life.crashes else "return")
        place.running = False
        place.ran = self.now - (place.up_at or 0)
        kind = place.child.restart
        if kind is Restart.PERMANENT or (kind is Restart.TRANSIENT and place.life.crashes):
            self.failed.append(place)

    def ask(self, place: Place) -> None:
        if place.asked:
            return
        place.asked = True
        self.events = [event for event in self.events if event.place is not place]
        self.note(place, "asked")
        place.gone_at = self.now + place.life.stop_takes

        def gone() -> None:
            self.note(place, "gone")
            place.running = False

        self.at(place.gone_at, place, gone, own=True)

    # What the supervisor does.

    def start(self, place: Place) -> None:
        if place.running:
            self.wait_until(place.gone_at)
        if self.begin(place):
            self.wait_until(self.now + (place.life.ack or 0))
            self.acknowledge(place)
        else:
            self.wait_until(self.now + self.case.start_deadline)
            self.stop(place)
            raise StartFails

    def stop(self, place: Place) -> None:
        if not place.running:
            return
        self.ask(place)
        if place.overdue:
            return
        deadline = self.now + self.case.stop_deadline
        self.wait_until(min(deadline, place.gone_at))
        if place.running:
            place.overdue = True
            self.note(place, "outlived")

    def recover(self, place: Place) -> None:
        self.restarts = [time for time in self.restarts if self.now - time <= self.case.intensity.period] + [self.now]
        if len(self.restarts) > self.case.intensity.restarts:
            self.note(place, "gave up")
            raise GivesUp
        backoff = self.case.backoff
        again = place.delay is not None and place.ran < backoff.reset_after
        place.delay = min((place.delay or 0) * backoff.factor if again else backoff.first, backoff.most)
        if self.case.strategy is Strategy.ONE_FOR_ONE:
            self.at(self.now + place.delay, place, lambda: self.restart_alone(place), own=False)
        else:
            self.restart_group(place, place.delay)

    def restart_group(self, culprit: Place, delay: float) -> None:
        first = 0 if self.case.strategy is Strategy.ONE_FOR_ALL else self.places.index(culprit)
        group = self.places[first:]
        for place in reversed(group):
            self.stop(place)
        self.failed = [place for place in self.failed if place not in group]
        self.wait_until(self.now + delay)
        for place in group:
            if place.child.restart is Restart.TEMPORARY:
                continue
            try:
                self.start(place)
            except StartFails:
                self.failed.append(place)
                return
            self.note(place, "restarted")

    def restart_alone(self, place: Place) -> None:
        """The same for one child, as events, since several may be under way."""
        if place.running:
            self.at(place.gone_at, place, lambda: self.restart_alone(place), own=False)
            return
        in_time = self.begin(place)
        if place.life.ack is not None:
            self.at(self.now + place.life.ack, place, lambda: self.up_again(place), own=True)
        if not in_time:
            self.at(self.now + self.case.start_deadline, place, lambda: self.refuse(place), own=False)

    def up_again(self, place: Place) -> None:
        try:
            self.acknowledge(place)
        except StartFails:
            self.failed.append(place)
        else:
            if not self.stopping:
                self.note(place, "restarted")

    def refuse(self, place: Place) -> None:
        def judge() -> None:
            if place.running:
                place.overdue = True
                self.note(place, "outlived")
            self.failed.append(place)

        self.ask(place)
        self.at(min(place.gone_at, self.now + self.case.stop_deadline), place, judge, own=False)
