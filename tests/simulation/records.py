"""The checker of one reader's record: each event once and in its place, or an explicit gap that has its reason."""

from __future__ import annotations

from collections.abc import Sequence

from actors.position import Position
from tests.simulation.ledger import Began, Item, Ledger, Missed, Seen, Violation


def check_record(who: str, topic: str, record: Sequence[Item], ledger: Ledger) -> Position | None:
    """Where the record ends; None where it is empty. Raises Violation."""
    at: Position | None = None
    for item in record:
        try:
            match item:
                case Began(epoch, offset):
                    at = at or Position(epoch, offset)
                case Seen():
                    at = _after(at, topic, item, ledger)
                case Missed():
                    at = _behind(at, topic, item, ledger)
        except Violation as violation:
            raise Violation(violation.rule, f"{who} at {at}: {violation}; its record: {show(record)}") from None
    return at


def show(record: Sequence[Item]) -> str:
    return " ".join(map(_show, record[-12:]))


def _after(at: Position | None, topic: str, seen: Seen, ledger: Ledger) -> Position:
    if at is None or seen.epoch != at.epoch:
        raise Violation("an epoch ends with a gap", f"{topic}: {_show(seen)}")
    if seen.first <= at.offset:
        raise Violation("no double", f"{topic}: {_show(seen)}")
    if seen.first > at.offset + 1:
        raise Violation("no hole", f"{topic}: {_show(seen)}")
    if len(seen.words) != seen.offset - seen.first + 1:
        raise Violation("no hole", f"{topic}: a merged event of other length: {_show(seen)}")
    for offset, word in enumerate(seen.words, seen.first):
        ledger.place(topic, seen.epoch, offset, word)
    return Position(seen.epoch, seen.offset)


def _behind(at: Position | None, topic: str, gap: Missed, ledger: Ledger) -> Position:
    life = topic, gap.epoch
    match gap.reason:
        case "retention":
            if at is not None and (gap.epoch != at.epoch or gap.first != at.offset + 1):
                raise Violation("a gap begins where the record ends", f"{topic}: {_show(gap)}")
            if topic in ledger.kept and gap.last > ledger.floors.get(life, 0):
                raise Violation("a gap has its reason", f"{topic}: nothing dropped {_show(gap)}")
        case "epoch":
            if at is None or at.epoch == gap.epoch or (topic, at.epoch) not in ledger.dead:
                raise Violation("a gap has its reason", f"{topic}: the life has not ended: {_show(gap)}")
            if topic in ledger.kept and gap.last > ledger.floors.get(life, 0):
                raise Violation("no hole", f"{topic}: what is kept is left out: {_show(gap)}")
        case _:
            raise Violation("a gap has its reason", f"{topic}: {_show(gap)}")
    if gap.offset != gap.last:
        raise Violation("no hole", f"{topic}: goes on at {gap.offset} after {_show(gap)}")
    return Position(gap.epoch, gap.offset)


def _show(item: Item) -> str:
    match item:
        case Began(epoch, offset):
            return f"[{epoch}:{offset}"
        case Seen(epoch, first, offset, words):
            return f"{epoch}:{offset if first == offset else f'{first}-{offset}'}={'+'.join(words)}"
        case Missed(epoch, first, last, reason, offset):
            return f"<{reason} {first}-{last} to {epoch}:{offset}>"
