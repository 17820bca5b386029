"""The limits of the directory of topics."""

from __future__ import annotations

import msgspec


class ChannelsOptions(msgspec.Struct, frozen=True):
    """`idle_seconds`: a topic nobody uses gives up its actor and keeps its log. `topics`: logs kept in all, but
    for those that go with something else; beyond it the topic unused for longest is forgotten. Names that never had an
    event are counted apart, by the same number.
    `publish_seconds`: how long a publisher waits for a full mailbox. `in_place`: the largest audience of an
    idle topic for which its turn is taken in the publisher's task; -1 for never. `forgotten`: of so many forgotten
    topics it is known where they ended."""

    mailbox: int = 1024
    idle_seconds: float = 30.0
    topics: int = 100_000
    publish_seconds: float = 10.0
    in_place: int = 32
    forgotten: int = 10_000
