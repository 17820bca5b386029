"""What a topic came to before the events that are still kept: so that its snapshot stays whole without them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import msgspec

from actors.event import ChannelKey
from actors.fold import Fold
from actors.redaction import Redaction
from actors.session_fold import SessionFold
from actors.store import Record
from actors.task_fold import TaskFold
from actors.unreadable import UNREADABLE

_log = logging.getLogger("callboard.snapshots")

BASE = "snapshot"
"""The kind of the records that hold bases."""
FOLDS: Mapping[str, Callable[[], Fold]] = {"task": TaskFold, "session": SessionFold}
"""By channel. The topics of others have no snapshots."""


class Base(msgspec.Struct, frozen=True):
    """The fold of the events `first` to `offset`; `timestamp` is the last one's."""

    first: int
    offset: int
    timestamp: int
    state: msgspec.Raw


def base_id(key: ChannelKey) -> str:
    return str(key)


def base_record(key: ChannelKey, base: Base) -> Record:
    return Record(BASE, base_id(key), msgspec.json.encode(base))


def no_base(key: ChannelKey) -> Record:
    """For a topic that is no more."""
    return Record(BASE, base_id(key), None)


def read_base(key: ChannelKey, body: bytes) -> tuple[Base, Fold] | None:
    """A record's body, and the fold as it was then; None for one that is damaged, which is reported."""
    fold = FOLDS[key.channel]()
    try:
        base = msgspec.json.decode(body, type=Base)
        fold.load(bytes(base.state))
    except UNREADABLE:
        _log.exception("what %s came to before the events that are still kept cannot be read", key)
        return None
    return base, fold


def redact_base(key: ChannelKey, body: bytes, redaction: Redaction) -> bytes:
    """What is left of a record's body; of one that is damaged, a base of no event."""
    found = read_base(key, body)
    if found is None:
        return msgspec.json.encode(Base(1, 0, 0, msgspec.Raw(FOLDS[key.channel]().dump())))
    base, fold = found
    fold.redact(key, redaction)
    return msgspec.json.encode(msgspec.structs.replace(base, state=msgspec.Raw(fold.dump())))
