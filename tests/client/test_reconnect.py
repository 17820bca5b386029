"""The connection breaks, and comes back: when, with what, and what becomes of requests under way."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
import trio
import trio.testing

from callboard_client import (
    AuthenticationFailed,
    ClientError,
    ConnectionLost,
    NotUnderstood,
    Options,
    Replaced,
    RequestTimedOut,
    Stopped,
    Unreachable,
    connect,
)
from callboard_client.connector import STABLE_SECONDS
from tests.client.scripted_gateway import Peer, Serve, client_of


async def greet(peer: Peer) -> None:
    await peer.welcome()
    await peer.stay()


async def greet_and_pong(peer: Peer) -> None:
    await peer.welcome()
    await peer.reply(await peer.take("ping"), "pong")
    await peer.stay()


async def greet_and_drop(peer: Peer) -> None:
    await peer.welcome()
    await peer.drop()


async def refuse(peer: Peer) -> None:
    await peer.reply(await peer.take("auth"), "auth.result", {"success": False, "message": "the key is unknown"})
    await peer.stay()


async def greet_and_drop_later(peer: Peer) -> None:
    await peer.welcome()
    await trio.sleep(STABLE_SECONDS)
    await peer.drop()


async def test_waits_double_up_to_the_ceiling_and_a_good_connection_resets_them(autojump_clock: trio.abc.Clock) -> None:
    refused = [Unreachable("refused") for _ in range(7)]
    plan: list[Serve | Exception] = [greet_and_drop, *refused, greet_and_drop, greet_and_drop_later, greet_and_pong]
    patient = Options(request_seconds=500)
    async with client_of(*plan, options=patient) as (client, network):
        await trio.sleep(160)
        await client.ping()
        waits = [seconds for _, seconds in network.drops]
        assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 0.5]
        passed = [later - earlier for earlier, later in pairwise(network.times)]
        assert passed == pytest.approx([*waits[:-1], STABLE_SECONDS + waits[-1]])
        assert network.drops[1][0] == "refused"


async def test_the_jitter_is_full(autojump_clock: trio.abc.Clock) -> None:
    random = Random(7)
    expected = [Random(7).uniform(0, 0.5)]
    async with client_of(greet_and_drop, greet_and_pong, uniform=random.uniform) as (client, network):
        await client.ping()
        assert [later - earlier for earlier, later in pairwise(network.times)] == pytest.approx(expected)


@pytest.mark.parametrize(("code", "least"), [(1012, 1.0), (1013, 2.0)])
async def test_a_server_that_says_later_is_left_alone_for_a_while(
    code: int, least: float, autojump_clock: trio.abc.Clock
) -> None:
    async def later(peer: Peer) -> None:
        await peer.welcome()
        await peer.close(code, "later")

    async with client_of(later, greet_and_pong, uniform=lambda low, _high: low) as (client, network):
        await client.ping()
        assert network.times == [0, least]
        assert network.drops == [(f"closed with {code}: later", least)]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (4401, AuthenticationFailed),
        (4409, Replaced),
        (1003, NotUnderstood),
        (1007, NotUnderstood),
        (1009, NotUnderstood),
    ],
)
async def test_a_server_that_says_never_is_believed(
    code: int, error: type[Stopped], autojump_clock: trio.abc.Clock
) -> None:
    async def never(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit()
        await peer.close(code, "go away")

    async with client_of(never) as (client, network):
        async with client.subscribe("task", "t") as events:
            with pytest.raises(error, match="go away"):
                await anext(events)
        for ask in (client.ping, lambda: client.create("a", "p")):
            with pytest.raises(error, match="go away"):
                await ask()
        await trio.sleep(1000)
        assert (len(network.times), network.drops) == (1, [])


async def test_the_first_connection_is_tried_once(autojump_clock: trio.abc.Clock) -> None:
    with pytest.raises(Unreachable, match="refused"):
        async with client_of(Unreachable("refused"), greet):
            raise AssertionError
    with pytest.raises(AuthenticationFailed, match="the key is unknown"):
        async with client_of(refuse, greet):
            raise AssertionError


async def test_a_credential_that_is_no_longer_good_ends_the_reconnecting(autojump_clock: trio.abc.Clock) -> None:
    async with client_of(greet_and_drop, refuse) as (client, network):
        with pytest.raises(AuthenticationFailed):
            await client.ping()
        assert len(network.times) == 2


async def test_the_device_is_the_same_on_every_connection(autojump_clock: trio.abc.Clock) -> None:
    async with client_of(greet_and_drop, greet_and_pong) as (client, network):
        await client.ping()
        logins = [peer.asked[0][1] for peer in network.peers]
        assert logins == [{"token": "ab_key", "device_id": client.device_id}] * 2
        assert client.user_id == "alice"


async def test_what_changes_nothing_is_asked_again_and_the_rest_fails(autojump_clock: trio.abc.Clock) -> None:
    async def take_and_drop(peer: Peer) -> None:
        await peer.welcome()
        for kind in ("ping", "task.action", "task.action"):
            await peer.take(kind)
        await peer.drop()

    async def answer_again(peer: Peer) -> None:
        await peer.welcome()
        done = {"task_id": "t", "action": "cancel", "success": True, "state": "cancelling", "position": "e:1"}
        for _ in range(2):
            frame = await peer.take("task.action", "ping")
            if frame["type"] == "ping":
                await peer.reply(frame, "pong")
            else:
                await peer.reply(frame, "task.result", done)
        await peer.stay()

    async with client_of(take_and_drop, answer_again) as (client, network):
        failed = trio.Event()

        async def create() -> None:
            with pytest.raises(ConnectionLost, match="not known"):
                await client.create("offline", "p")
            failed.set()

        async with trio.open_nursery() as nursery:
            for ask in (client.ping, lambda: client.cancel("t"), create):
                nursery.start_soon(ask)
                await trio.testing.wait_all_tasks_blocked()
        assert failed.is_set()
        first, second = ([kind for kind, _ in peer.asked] for peer in network.peers)
        assert sorted(first) == ["auth", "ping", "task.action", "task.action"]
        assert sorted(second) == ["auth", "ping", "task.action"]
        assert "cancel" in {payload.get("action") for _, payload in network.peers[1].asked}


async def test_a_request_waits_for_the_connection_as_long_as_for_an_answer(autojump_clock: trio.abc.Clock) -> None:
    away = [Unreachable("refused") for _ in range(20)]
    async with client_of(greet_and_drop, *away, options=Options(request_seconds=40)) as (client, _):
        await trio.testing.wait_all_tasks_blocked()
        assert not client.is_connected
        began = trio.current_time()
        with pytest.raises(RequestTimedOut):
            await client.create("offline", "p")
        assert trio.current_time() - began == 40


async def test_a_silent_server_is_given_up(autojump_clock: trio.abc.Clock) -> None:
    async def freeze(peer: Peer) -> None:
        # With more than one message untaken its reader stands still, and answers no ping any more.
        await peer.welcome()
        await trio.sleep_forever()

    async def wake(peer: Peer) -> None:
        await peer.welcome()
        for _ in range(4):
            await peer.reply(await peer.take("ping"), "pong")
        await peer.stay()

    async with client_of(freeze, wake, options=Options(request_seconds=500)) as (client, network):
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(client.ping)
        assert network.times == [0, 75.5]
        assert [reason for reason, _ in network.drops] == ["the connection broke"]


async def test_a_server_that_hangs_up_or_says_nothing_in_the_handshake(autojump_clock: trio.abc.Clock) -> None:
    async def silent() -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        ours, theirs = trio.testing.memory_stream_pair()
        kept.append(theirs)
        return ours

    async def hung_up() -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        ours, theirs = trio.testing.memory_stream_pair()
        await theirs.aclose()
        return ours

    kept: list[trio.abc.Stream] = []
    for dial, said in ((silent, "does not answer"), (hung_up, "hung up")):
        with pytest.raises(Unreachable, match=said):
            async with connect("ws://gateway.test", stream=dial):
                raise AssertionError
    assert trio.current_time() == 10


async def test_an_error_of_the_users_is_raised_as_it_is(autojump_clock: trio.abc.Clock) -> None:
    with pytest.raises(ZeroDivisionError):
        async with client_of(greet):
            raise ZeroDivisionError
    assert issubclass(Stopped, ClientError)
