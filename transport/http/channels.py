"""`/api/v1/publish` and `/api/v1/channels`: events in, and out again, live or from the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from quart import Response

from actors.commands import Publish, Start
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Event
from actors.position import Position
from actors.principal import Principal
from actors.router import Router
from transport.http.event_stream import EventStreams
from transport.http.idempotency_header import IDEMPOTENCY_HEADER, IDEMPOTENCY_HEADER_MEANING, idempotency_key
from transport.http.paging import PageLimit
from transport.http.posted_events import posted_draft
from transport.http.route import Answer, AnyRoute, Call, Nothing, Route

_TAG = "channels"
_LAST_EVENT_ID = "Last-Event-ID"
_SINCE = "A position `<epoch>:<offset>`, after which to begin; `0` for the oldest event retained."


_SNAPSHOT = (
    "Of a task or session: the stream begins with an event `snapshot`, what the topic has come to, and goes on after"
    " it; also from a position behind which events are missing, after the `gap`."
)


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event for a topic. The same `idempotency_key` of the same user within 5 minutes publishes once."""

    channel: str
    topic: str
    event_type: str
    data: Any
    idempotency_key: str | None = None


class PublishedJson(msgspec.Struct, frozen=True):
    """`duplicate` where the idempotency key had been used: the position is then the first publication's."""

    position: str
    duplicate: bool


class EventJson(msgspec.Struct, frozen=True, kw_only=True):
    """An event at its place. `timestamp` is Unix milliseconds, `position` is `<epoch>:<offset>`."""

    channel: str
    topic: str
    event_type: str
    data: Annotated[msgspec.Raw, Meta(description="Any JSON.")]
    offset: int
    epoch: str
    position: str
    timestamp: int

    @classmethod
    def of(cls, event: Event) -> EventJson:
        return cls(
            channel=event.key.channel,
            topic=event.key.topic,
            event_type=event.event_type,
            data=msgspec.Raw(event.body),
            offset=event.offset,
            epoch=event.epoch,
            position=str(Position(event.epoch, event.offset)),
            timestamp=event.timestamp,
        )


class GapJson(msgspec.Struct, frozen=True):
    """Events that cannot be delivered, both offsets included, and why. Of those that are `compacted` the discrete ones
    are left, and follow."""

    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")
    reason: Annotated[str, Meta(description="`retention`, `compacted`, `epoch` or `future`.")]


class HistoryFilter(msgspec.Struct, frozen=True, kw_only=True):
    since: Annotated[str, Meta(description=_SINCE)] = "0"
    limit: PageLimit = 100


class StreamFilter(msgspec.Struct, frozen=True, kw_only=True):
    since: Annotated[str | None, Meta(description=f"{_SINCE} Without it the stream begins with what comes.")] = None
    snapshot: Annotated[bool, Meta(description=_SNAPSHOT)] = False


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first. `position` is the `since` of what follows, `more` whether something does already; `gap` is what
    was asked for and is no more."""

    events: list[EventJson]
    position: str
    gap: GapJson | None
    more: bool


class SnapshotJson(msgspec.Struct, frozen=True, kw_only=True):
    """What a task's or a session's events come to, up to `position`: go on from there. `from` is the first of them:
    above 1 where earlier ones are not in it. `timestamp` is the last one's, in Unix milliseconds."""

    channel: str
    topic: str
    data: Annotated[msgspec.Raw, Meta(description="A TaskSnapshot or a SessionSnapshot.")]
    first: int = msgspec.field(name="from")
    offset: int
    epoch: str
    position: str
    timestamp: int

    @classmethod
    def of(cls, event: Event) -> SnapshotJson:
        return cls(
            channel=event.key.channel,
            topic=event.key.topic,
            data=msgspec.Raw(event.body),
            first=event.first,
            offset=event.offset,
            epoch=event.epoch,
            position=str(Position(event.epoch, event.offset)),
            timestamp=event.timestamp,
        )


class ChannelsApi:
    def __init__(self, router: Router, streams: EventStreams) -> None:
        self._router = router
        self._streams = streams

    async def publish(self, call: Call[NewEvent, Nothing]) -> Answer[PublishedJson]:
        body = call.body
        key = idempotency_key(call.headers, body.idempotency_key)
        command = Publish(body.channel, body.topic, posted_draft(body.event_type, body.data), key)
        published = await self._router.publish(call.principal, command)
        return Answer(PublishedJson(str(published.position), published.duplicate))

    async def history(self, call: Call[Nothing, HistoryFilter]) -> Answer[History]:
        key = self._resolve(call.principal, call.path)
        start = _start(call.query.since)
        page = await self._router.history(call.principal, key.channel, key.topic, start, call.query.limit)
        history = History(
            events=[EventJson.of(event) for event in page.events],
            position=str(page.position),
            gap=None if page.gap is None else GapJson(page.gap.first, page.gap.last, page.gap.reason),
            more=page.more,
        )
        return Answer(history)

    async def snapshot(self, call: Call[Nothing, Nothing]) -> Answer[SnapshotJson]:
        key = self._resolve(call.principal, call.path)
        taken = await self._router.snapshots_of(call.principal, key.channel, (key.topic,))
        return Answer(SnapshotJson.of(taken[key.topic]))

    async def events(self, call: Call[Nothing, StreamFilter]) -> Response:
        """The position of a client that reconnects goes before the one in the address, which stays what it was."""
        key = self._resolve(call.principal, call.path)
        since = call.headers.get(_LAST_EVENT_ID) or call.query.since
        start: Start = "live" if since is None else _start(since)
        if call.method == "HEAD":
            return self._streams.head()
        snapshots: Mapping[str, Event] = {}
        if call.query.snapshot:
            snapshots = await self._router.snapshots_of(call.principal, key.channel, (key.topic,))
        return self._streams.open(call.principal, key, start, snapshots)

    def routes(self) -> list[AnyRoute]:
        topic = "/api/v1/channels/{channel}/{topic}"
        return [
            Route(
                method="POST",
                path="/api/v1/publish",
                handler=self.publish,
                tag=_TAG,
                summary="Publish an event to a topic (scope `publish`)",
                body=NewEvent,
                example={"channel": "app", "topic": "news", "event_type": "news.posted", "data": {"title": "It runs"}},
                query=Nothing,
                answer=PublishedJson,
                errors=(403, 404, 409, 503),
                headers={IDEMPOTENCY_HEADER: IDEMPOTENCY_HEADER_MEANING},
            ),
            Route(
                method="GET",
                path=f"{topic}/history",
                handler=self.history,
                tag=_TAG,
                summary="Read a topic's retained events",
                body=Nothing,
                query=HistoryFilter,
                answer=History,
                errors=(403, 404),
            ),
            Route(
                method="GET",
                path=f"{topic}/snapshot",
                handler=self.snapshot,
                tag=_TAG,
                summary="Read what a task's or a session's events come to",
                body=Nothing,
                query=Nothing,
                answer=SnapshotJson,
                errors=(400, 403, 404, 503),
            ),
            Route(
                method="GET",
                path=f"{topic}/events",
                handler=self.events,
                tag=_TAG,
                summary="Follow a topic as an event stream",
                body=Nothing,
                query=StreamFilter,
                answer=str,
                errors=(400, 403, 404, 503),
                content="text/event-stream",
                headers={_LAST_EVENT_ID: "As `since`, and before it: a client that reconnects sends the last `id`."},
            ),
        ]

    def _resolve(self, principal: Principal, path: Mapping[str, str]) -> ChannelKey:
        """In a path, a name that cannot be is one that is not there."""
        try:
            return self._router.resolve(principal, path["channel"], path["topic"])
        except CallboardError as error:
            if error.code in (ErrorCode.INVALID_CHANNEL, ErrorCode.INVALID_PAYLOAD):
                raise CallboardError(ErrorCode.NOT_FOUND, error.message) from error
            raise


def _start(since: str) -> Start:
    return "oldest" if since == "0" else Position.parse(since)
