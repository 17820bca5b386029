"""Subscriptions that begin with a snapshot: asked for again until it has come, and never handed out to others."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from callboard_client import Event, Gap, NotUnderstood, Position, SessionSnapshot, Snapshot, TaskSnapshot
from callboard_client.frames import decode
from tests.client.scripted_gateway import Peer, client_of

STATE = {"state": "running", "messages": {"m": "Hello"}, "later_member": 1}


async def snapshot(peer: Peer, at: int) -> None:
    merged: dict[str, Any] = {"from": 1}
    await peer.event(at, STATE, "snapshot", **merged)


async def test_it_comes_first_and_what_follows_goes_on_from_it(autojump_clock: trio.abc.Clock) -> None:
    async def serve(peer: Peer) -> None:
        await peer.welcome()
        assert (await peer.admit(7))["snapshot"] is True
        await snapshot(peer, 7)
        # What another subscription of this connection still had to get.
        await peer.event(6)
        await peer.event(8)
        await peer.stay()

    async with client_of(serve) as (client, _), client.subscribe("task", "t", snapshot=True) as events:
        first, second = await anext(events), await anext(events)
        assert isinstance(first, Snapshot)
        assert isinstance(first.state, TaskSnapshot)
        assert (first.state.state, first.state.text, first.first) == ("running", "Hello", 1)
        assert first.position == Position("e", 7)
        assert isinstance(second, Event)
        assert second.position == events.positions["t"] == Position("e", 8)


async def test_a_connection_that_breaks_before_it_loses_nothing(autojump_clock: trio.abc.Clock) -> None:
    async def breaks(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(7)
        await peer.drop()

    async def goes_on(peer: Peer) -> None:
        await peer.welcome()
        assert (await peer.admit(9))["since"] == {}
        await snapshot(peer, 9)
        await peer.drop()

    async def resumes(peer: Peer) -> None:
        await peer.welcome()
        assert (await peer.admit(9))["since"] == {"t": "e:9"}
        await peer.event(10)
        await peer.stay()

    async with (
        client_of(breaks, goes_on, resumes) as (client, _),
        client.subscribe("task", "t", snapshot=True) as events,
    ):
        assert isinstance(await anext(events), Snapshot)
        last = await anext(events)
        assert isinstance(last, Event)
        assert last.position.offset == 10


async def test_after_a_gap_the_place_moves_with_the_snapshot(autojump_clock: trio.abc.Clock) -> None:
    async def breaks(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(7, recovered=False)
        await peer.gap(3, 6, "compacted", 7)
        await peer.drop()

    async def goes_on(peer: Peer) -> None:
        await peer.welcome()
        assert (await peer.admit(7, recovered=False))["since"] == {"t": "e:2"}
        await peer.gap(3, 6, "compacted", 7)
        await snapshot(peer, 7)
        await peer.stay()

    async with (
        client_of(breaks, goes_on) as (client, _),
        client.subscribe("task", "t", since="e:2", snapshot=True) as events,
    ):
        told = [await anext(events) for _ in range(3)]
        assert [type(each) for each in told] == [Gap, Gap, Snapshot]
        assert events.positions == {"t": Position("e", 7)}


async def test_one_who_did_not_ask_gets_none(autojump_clock: trio.abc.Clock) -> None:
    async def serve(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(5)
        await peer.admit(7)
        await snapshot(peer, 7)
        await peer.event(6)
        await peer.event(8)
        await peer.stay()

    async with (
        client_of(serve) as (client, _),
        client.subscribe("task", "t") as plain,
        client.subscribe("task", "t", snapshot=True) as late,
    ):
        offsets = [each.position.offset for each in [await anext(plain), await anext(plain)] if isinstance(each, Event)]
        assert offsets == [6, 8]
        assert isinstance(await anext(late), Snapshot)


async def test_a_whole_channel_has_none(autojump_clock: trio.abc.Clock) -> None:
    async def serve(peer: Peer) -> None:
        await peer.welcome()
        await peer.stay()

    async with client_of(serve) as (client, _):
        with pytest.raises(ValueError, match="topics that are named"):
            async with client.subscribe("task", snapshot=True):
                pass


def test_its_form() -> None:
    frame = (
        '{"type":"event","payload":{"channel":"session","topic":"s","event_type":"snapshot","data":%s,'
        '"offset":1,"epoch":"e","timestamp":5}}'
    )
    told = decode(frame % '{"messages":[{"content":"hi"}]}')
    assert isinstance(told, Snapshot)
    assert told.state == SessionSnapshot(messages=[{"content": "hi"}])
    assert told.first == 1
    with pytest.raises(NotUnderstood, match="snapshot of s"):
        decode(frame % '{"messages":1}')
    assert isinstance(decode((frame % "1").replace('"session"', '"app"')), Event)
