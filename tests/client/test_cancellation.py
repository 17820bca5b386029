"""Any call may be given up at any of its steps: the client stays whole, and all of it can be given up, too."""

from __future__ import annotations

import itertools

import trio
import trio.testing
from trio_websocket import ConnectionClosed

from callboard_client import Event
from tests.client.scripted_gateway import Peer, client_of


class CancelAt(trio.abc.Instrument):
    """Cancels a scope when some tasks have had so many turns."""

    def __init__(self, scope: trio.CancelScope, turns: int) -> None:
        self._scope = scope
        self._left = turns

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._left == 0:
            self._scope.cancel()
        self._left -= 1


async def given_up(turns: int, scope: trio.CancelScope) -> CancelAt:
    await trio.lowlevel.checkpoint()
    instrument = CancelAt(scope, turns)
    trio.lowlevel.add_instrument(instrument)
    return instrument


async def obliging(peer: Peer) -> None:
    """Answers everything, and says something about each topic that is subscribed to."""
    await peer.welcome()
    while True:
        try:
            request = await peer.take("task.action", "subscribe", "unsubscribe", "ping")
        except ConnectionClosed:
            return
        payload = request["payload"]
        match request["type"]:
            case "task.action":
                done = {"task_id": "t", "action": "create", "success": True, "state": "queued", "position": "e:0"}
                await peer.reply(request, "task.result", done)
            case "subscribe":
                places = {topic: {"epoch": "e", "offset": 0, "recovered": True} for topic in payload["topics"]}
                await peer.reply(request, "subscribed", {"channel": "task", "positions": places})
                for topic in payload["topics"]:
                    await peer.event(1, topic=topic)
                    await peer.event(2, kind="task.completed", data={"result": "r"}, topic=topic)
            case "unsubscribe":
                await peer.reply(request, "unsubscribed", {"channel": "task", "topics": payload["topics"]})
            case _:
                await peer.reply(request, "pong")


async def test_a_call_that_is_given_up_leaves_the_connection_whole(autojump_clock: trio.abc.Clock) -> None:
    async with client_of(obliging) as (client, network):
        for turns in itertools.count():
            with trio.CancelScope() as scope:
                instrument = await given_up(turns, scope)
                async with client.run("a", "p") as run:
                    await run.result()
            trio.lowlevel.remove_instrument(instrument)
            await client.ping()
            async with client.subscribe("task", f"after-{turns}") as events:
                pushed = await anext(events)
                assert isinstance(pushed, Event)
                assert pushed.position.offset == 1
            if not scope.cancelled_caught:
                break
        await trio.testing.wait_all_tasks_blocked()
        assert turns > 50
        assert len(network.peers) == 1


async def test_the_client_itself_can_be_given_up_at_any_step(autojump_clock: trio.abc.Clock) -> None:
    for turns in itertools.count():
        with trio.fail_after(60), trio.CancelScope() as scope:
            instrument = await given_up(turns, scope)
            async with client_of(obliging) as (client, _), client.run("a", "p") as run:
                await run.result()
        trio.lowlevel.remove_instrument(instrument)
        if not scope.cancelled_caught:
            break
    assert turns > 100
