"""Short ways to events, and to what a reader has of them."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from actors.event import ChannelKey, Draft, Event, Json, Merge, draft
from actors.log import Log
from actors.retention import Retention

KEY = ChannelKey("app", "news")


def text(content: str, key: str = "") -> Draft:
    return draft("agent.message", {"content": content}, merge=Merge.TEXT, merge_key=key, timestamp=1)


def progress(value: int, key: str = "") -> Draft:
    return draft("step.progress", {"progress": value}, merge=Merge.LAST, merge_key=key, timestamp=1)


def fact(number: int) -> Draft:
    return draft("fact", number, timestamp=1)


def log_of(*drafts: Draft, retention: Retention | None = None, key: ChannelKey = KEY) -> Log:
    log = Log(key, retention or Retention(seconds=1e12), epoch="e1")
    for one in drafts:
        log.append(one)
    return log


class Seen(NamedTuple):
    """One line of the test encoder, read back."""

    first: int
    offset: int
    event_type: str
    data: Json


def read_back(line: str) -> Seen:
    span, event_type, body = line.split(" ", 2)
    first, offset = span.split("-")
    return Seen(int(first), int(offset), event_type, orjson.loads(body))


def text_of(seen: list[Seen]) -> str:
    return "".join(str(one.data["content"]) for one in seen if isinstance(one.data, dict) and "content" in one.data)


def check_tiles(seen: list[Seen], after: int, tail: int) -> None:
    """Every offset after `after` up to `tail` is covered once: by an event, by a merged one, or by a gap."""
    at = after
    for one in seen:
        if one.event_type == "gap":
            assert isinstance(one.data, dict)
            assert one.data["from"] == at + 1
            at = int(str(one.data["to"]))
        else:
            assert one.first == at + 1
            at = one.offset
    assert at == tail


class Labelled:
    """An encoder whose lines begin with the topic, where several share one connection."""

    def encode(self, event: Event) -> bytes:
        span = f"{event.first}-{event.offset}"
        return f"{event.key.topic} {span} {event.event_type} ".encode() + event.body + b"\n"
