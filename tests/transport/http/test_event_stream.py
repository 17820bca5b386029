from __future__ import annotations

import json

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.errors import CloseCode
from actors.event import ChannelKey
from actors.retention import Retention
from tests.support.world import Limits
from tests.transport.http.exchange import Exchange
from tests.transport.http.site import Json, Site, open_site
from transport.http.posted_events import posted_draft
from transport.http.services import HttpOptions

EVENTS = "/api/v1/channels/app/news/events"


class Reader:
    """Reads the blocks of an event stream."""

    def __init__(self, connection: Exchange) -> None:
        self.connection = connection
        self._text = ""

    async def block(self) -> dict[str, str]:
        """The fields of the next block; a comment's name is empty."""
        while "\n\n" not in self._text:
            piece = await self.connection.receive()
            assert piece, "the stream has ended"
            self._text += piece.decode()
        block, self._text = self._text.split("\n\n", 1)
        return dict(line.split(": ", 1) for line in block.split("\n"))

    async def data(self) -> Json:
        return json.loads((await self.block())["data"])


async def publish(site: Site, *values: object) -> str:
    position = ""
    for value in values:
        body = {"channel": "app", "topic": "news", "event_type": "headline", "data": value}
        position = (await site.post("/api/v1/publish", body, user="p"))["position"]
    return position


async def test_a_stream_begins_with_its_position_and_goes_on_live(site: Site) -> None:
    before = await publish(site, "old")
    async with site.stream(EVENTS) as connection:
        reader = Reader(connection)
        greeting = await reader.block()
        assert (greeting["event"], greeting["id"], greeting["retry"]) == ("subscribed", before, "3000")
        assert json.loads(greeting["data"]) == {
            "channel": "app",
            "topic": "news",
            "position": before,
            "recovered": True,
        }
        position = await publish(site, "new")
        block = await reader.block()
        assert (block["event"], block["id"]) == ("headline", position)
        assert json.loads(block["data"])["data"] == "new"
        assert connection.headers["Content-Type"] == "text/event-stream"
        assert connection.headers["Cache-Control"] == "no-cache"
    assert site.world.connections.statistics().open == 0
    assert site.world.channels.statistics().subscriptions == 0


@pytest.mark.parametrize("how", ["header", "query", "both"])
async def test_a_stream_goes_on_from_a_position(site: Site, how: str) -> None:
    first = await publish(site, 1)
    second = await publish(site, 2)
    await publish(site, 3)
    since = {"header": "", "query": f"?since={second}", "both": f"?since={first}"}[how]
    headers = {} if how == "query" else {"Last-Event-ID": second}
    async with site.stream(EVENTS + since, headers=headers) as connection:
        reader = Reader(connection)
        assert (await reader.data())["position"] == second
        assert (await reader.data())["data"] == 3


async def test_what_is_no_more_is_a_gap_before_the_rest(nursery: trio.Nursery) -> None:
    site = open_site(nursery, limits=Limits(retention={"app": Retention(events=2)}))
    first = await publish(site, 1)
    await publish(site, 2, 3, 4)
    async with site.stream(f"{EVENTS}?since={first}") as connection:
        reader = Reader(connection)
        assert (await reader.data())["recovered"] is False
        gap = await reader.block()
        assert gap["event"] == "gap"
        assert json.loads(gap["data"])["data"] == {"from": 2, "to": 2, "reason": "retention"}
        assert [(await reader.data())["data"] for _ in range(2)] == [3, 4]


async def test_a_slow_reader_gets_fewer_larger_chunks_and_every_token(nursery: trio.Nursery) -> None:
    site = open_site(nursery, options=HttpOptions(event_stream_bytes=512))
    words = [f"word-{number} " for number in range(300)]
    async with site.stream(EVENTS) as connection:
        reader = Reader(connection)
        await reader.block()
        for word in words:
            await site.world.channels.emit(ChannelKey("app", "news"), posted_draft("agent.message", {"content": word}))
        await wait_all_tasks_blocked()
        text, last, blocks = "", 0, 0
        while last < len(words):
            payload = await reader.data()
            assert payload.get("from", payload["offset"]) == last + 1
            text, last, blocks = text + payload["data"]["content"], payload["offset"], blocks + 1
    assert text == "".join(words)
    assert blocks < len(words) / 2


async def test_a_quiet_stream_gets_a_comment_now_and_then(autojump_clock: trio.abc.Clock, site: Site) -> None:
    async with site.stream(EVENTS) as connection:
        reader = Reader(connection)
        await reader.block()
        await trio.sleep(31)
        await site.world.connections.round(trio.current_time(), 0.0)
        assert await reader.block() == {"": "heartbeat"}


async def test_a_stream_ends_when_the_engine_does_or_the_key_is_revoked(site: Site) -> None:
    async with site.stream(EVENTS) as connection:
        await Reader(connection).block()
        site.tokens.revoked.add("alice")
        site.world.connections.close_all(CloseCode.RESTARTING, "restart")
        assert await connection.receive() == b""
    assert site.world.connections.statistics().open == 0


async def test_so_many_streams_and_no_more(nursery: trio.Nursery) -> None:
    site = open_site(nursery, options=HttpOptions(event_streams=1))
    async with site.stream(EVENTS) as connection:
        await Reader(connection).block()
        await site.get(EVENTS, status=503)
    async with site.stream(EVENTS) as connection:
        assert (await Reader(connection).block())["event"] == "subscribed"


async def test_a_refusal_is_json_and_a_head_has_no_body(site: Site) -> None:
    await site.get("/api/v1/channels/nope/news/events", status=404)
    await site.get(f"{EVENTS}?since=x", status=400)
    await site.get(EVENTS, user=None, status=401)
    head = await site.request("HEAD", EVENTS)
    assert (head.status_code, await head.get_data(as_text=False)) == (200, b"")
