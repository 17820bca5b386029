"""What is done now and then: heartbeats and expiry, putting idle topics away, figures, alerts."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import trio

from actors.event import ChannelKey, Json, draft
from actors.principal import EVERYTHING
from engine.core import Core

_EVERY_SECONDS = 1.0
_SWEEP_EVERY = 5
_STATS_EVERY = 5
Round: TypeAlias = Callable[[float], Awaitable[None]]
_STATS = ChannelKey("system", "stats", EVERYTHING)


class Rounds:
    """One task for all that a timer drives: a timer each would cost more than the work."""

    def __init__(self, core: Core, others: Sequence[Round]) -> None:
        """`others` are called every second, with trio's time. Each has a task: they publish, and may have to wait for
        the store, while heartbeats must not."""
        self._router = core.router
        self._channels = core.channels
        self._sessions = core.sessions
        self._feeds = core.feeds
        self._connections = core.connections
        self._others = others
        self._store = core.store_statistics
        self._reporter = core.reporter

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        # After a restart of their supervisors the directories still hold topics and conversations without an actor.
        self._channels.revive()
        self._sessions.revive()
        self._router.launcher.revive()
        self._feeds.revive()
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_alerts)
            nursery.start_soon(_repeat, self._feeds.round)
            for other in self._others:
                nursery.start_soon(_repeat, other)
            count = 0
            while True:
                await trio.sleep(_EVERY_SECONDS)
                count += 1
                await self._connections.round(trio.current_time(), time.time())
                self._router.launcher.revive()
                if count % _SWEEP_EVERY == 0:
                    await self._channels.sweep.run()
                if count % _STATS_EVERY == 0:
                    await self._tell_figures()

    def figures(self) -> Json:
        """What the topic `stats` and the admin's page say."""
        channels, tasks = self._channels.statistics(), self._router.tasks.statistics()
        connections, store = self._connections.statistics(), self._store()
        return {
            "connections": connections.open,
            "authenticated": connections.authenticated,
            "lagging": connections.lagging,
            "topics": channels.live + channels.shelved,
            "subscriptions": channels.subscriptions,
            "events": channels.events,
            "retained_bytes": channels.retained_bytes,
            "tasks_running": tasks.running,
            "tasks_started": tasks.started_total,
            "sessions": len(self._router.sessions),
            "store_failure": None if store is None else store.failure,
        }

    async def _send_alerts(self) -> None:
        async for alert in self._reporter.alerts:
            await self._router.alert("alert", alert)
            # Who looks why has them at once.
            await self._tell_figures()

    async def _tell_figures(self) -> None:
        await self._channels.emit(_STATS, draft("stats", self.figures()))


async def _repeat(each: Round) -> None:
    while True:
        await trio.sleep(_EVERY_SECONDS)
        await each(trio.current_time())
