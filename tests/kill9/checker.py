"""Holds the records of clients against each other and against what the database holds. Decides; nobody has to look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import assert_never

import msgspec

from tests.kill9.record import Acknowledged, Began, Missed, Place, Record, Told


class Kept(msgspec.Struct, frozen=True):
    """What the database holds of a topic: its events from 1 on, as a client would be told them."""

    epoch: str
    said: tuple[str, ...]


class Checker:
    """`problems` is empty where everything is as it should be."""

    def __init__(self, *, lossless: bool) -> None:
        """`lossless`: nothing was ever lost, so that not even an explicit gap is right."""
        self.problems: list[str] = []
        self.gaps = 0
        self._lossless = lossless
        self._seen: dict[tuple[str, Place], str] = {}

    def check_record(
        self, topic: str, record: Record, kept: Kept | None, *, end: int | None = None, whole: bool = True
    ) -> None:
        """`kept`: None for a topic that is in memory alone. `end`: the offset to which the client must have come at
        least; where there is none, to the end of what is kept. `whole`: it has asked for all from the first event on.
        """
        place: Place | None = None
        announced: Began | None = None
        for entry in record.entries:
            match entry:
                case Began():
                    self._check_start(record, place, entry)
                case Told():
                    self._check_event(topic, record, place, entry, whole=whole)
                    self._check_content(topic, record, entry, kept)
                case Missed():
                    # What the greeting has announced is no second one.
                    if announced is None or announced.recovered:
                        self._check_gap(record, place, entry)
                case _:
                    assert_never(entry)
            place, announced = entry.place, entry if isinstance(entry, Began) else None
        if kept is not None:
            least = Place(kept.epoch, len(kept.said) if end is None else end)
            if end != 0 and (place is None or place.epoch != least.epoch or place < least):
                self._report(record, f"ends at {place} and not at {least}")

    def check_acknowledged(self, promises: Iterable[Acknowledged], kept: Mapping[str, Kept]) -> None:
        """All that was acknowledged is where it was said to be."""
        for promise in promises:
            found = kept.get(promise.topic)
            offset = promise.place.offset
            if found is None or found.epoch != promise.place.epoch:
                self.problems.append(f"{promise.topic}: {promise} is of an epoch that is no more")
            elif not 1 <= offset <= len(found.said) or found.said[offset - 1] != promise.said:
                self.problems.append(f"{promise.topic}: {promise} is not there")

    def _check_start(self, record: Record, place: Place | None, began: Began) -> None:
        if not began.recovered:
            self._check_gap(record, place, Missed("told at the start", began.place))
        elif place is not None and began.place != place:
            self._report(record, f"goes on at {began.place} in place of {place}, and calls that no loss")

    def _check_event(self, topic: str, record: Record, place: Place | None, told: Told, *, whole: bool) -> None:
        if place is None:
            if whole and told.first != 1:
                self._report(record, f"begins with {told.place}")
        elif told.place.epoch != place.epoch:
            self._report(record, f"{told.place} follows {place} without a gap")
        elif told.first != place.offset + 1:
            what = "a hole" if told.first > place.offset + 1 else "a repetition"
            self._report(record, f"{what}: {told.first}-{told.place.offset} follows {place}")
        if told.first == told.place.offset and self._seen.setdefault((topic, told.place), told.said) != told.said:
            self._report(record, f"{told.place} is {told.said!r}, others were told {self._seen[topic, told.place]!r}")

    def _check_content(self, topic: str, record: Record, told: Told, kept: Kept | None) -> None:
        if kept is None or kept.epoch != told.place.epoch:
            return
        joined = "".join(kept.said[told.first - 1 : told.place.offset])
        if told.said != joined:
            self._report(record, f"{told.place} was told as {told.said!r} and is kept as {joined!r}")

    def _check_gap(self, record: Record, place: Place | None, gap: Missed) -> None:
        self.gaps += 1
        if self._lossless:
            self._report(record, f"is told of a gap ({gap.reason}) at {gap.place} where nothing was lost")
        elif place is not None and gap.place is not None and gap.place.epoch == place.epoch and gap.reason == "epoch":
            self._report(record, f"is told of a new epoch at {gap.place}, which is the old one")

    def _report(self, record: Record, problem: str) -> None:
        self.problems.append(f"{record.name}: {problem}")


def repetitions(kept: Iterable[Kept]) -> int:
    """How many events are kept a second time."""
    return sum(count - 1 for one in kept for count in Counter(one.said).values())
