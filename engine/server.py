"""The life of the process: start, serve, drain, end."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import structlog
import trio

from actors.child import StartFailed
from actors.store import StoreError
from actors.supervision import RestartsExceeded
from engine import garbage
from engine.config import Config
from engine.core import Core, Extensions
from engine.database import SchemaError
from engine.extensions import open_extensions
from engine.front import Front
from engine.rounds import Rounds
from engine.tickets import TicketOffice
from engine.tree import make_tree
from transport.realtime_agent import RealtimeAgent

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LAST_SECONDS = 1.0
"""How long what has outlived its deadline is waited for when all else has stopped."""

_log = structlog.get_logger("callboard")


def run(config: Config) -> int:
    """Serves until SIGINT or SIGTERM and returns the exit status: 0 after a drain, 1 after a failure."""
    return trio.run(_serve, config)


async def _serve(config: Config) -> int:
    async with AsyncExitStack() as stack:
        try:
            extensions = await stack.enter_async_context(open_extensions(config))
        except (SchemaError, sqlite3.Error, OSError) as error:
            _log.critical("the store cannot be opened", path=str(config.store.path), reason=str(error))
            return 1
        return await Engine(config, extensions).serve()


class Engine:
    """One engine, from its start to its end."""

    def __init__(self, config: Config, extensions: Extensions) -> None:
        self._config = config
        self._core = Core(config, extensions)
        tickets = TicketOffice(
            trio.current_time, seconds=config.timeouts.ticket_seconds, capacity=config.limits.tickets
        )
        self._front = Front(config, self._core, extensions.verifier, tickets)
        rounds = Rounds(self._core, (self._core.rooms.round, self._front.pipelines.round))
        self._tree = make_tree(self._core, self._front, rounds)

    async def serve(self) -> int:
        """Runs the tree until a signal, and drains it. Why a tree fails is told in the log."""
        failed: list[BaseException] = []
        try:
            with trio.open_signal_receiver(*_SIGNALS) as signals:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._drain_at_signal, signals)
                    await self._run_tree(garbage.settle)
                    nursery.cancel_scope.cancel()
        except* (StartFailed, RestartsExceeded, StoreError) as failures:
            failed = _leaves(failures)
        for failure in failed:
            _log.critical("the engine failed", reason=str(failure), cause=str(failure.__cause__))
        _log.info("stopped")
        return 1 if failed else 0

    async def run(self, *, task_status: trio.TaskStatus[Engine] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs the tree until it is cancelled; started once it serves. Why a tree fails is raised."""
        await self._run_tree(lambda: task_status.started(self))

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where it listens: hosts and ports."""
        return tuple(self._front.listener.addresses)

    def realtime_agent(self, user_id: str) -> RealtimeAgent:
        """All tasks of a user as one stream of steps. Raises CallboardError BUSY where too many users are served."""
        return self._front.realtime_agent(user_id)

    async def _run_tree(self, started: Callable[[], None]) -> None:
        with garbage.paused():
            await self._core.take_up()
        async with trio.open_nursery() as tree:
            await tree.start(self._tree.run)
            started()
            self._say_where()

    def _say_where(self) -> None:
        self._front.say_ready()
        for host, port in self._front.listener.addresses:
            scheme = "https" if self._config.server.tls_cert else "http"
            shown = f"[{host}]" if ":" in host else host
            _log.info("listening", url=f"{scheme}://{shown}:{port}", auth_required=self._config.auth_required)

        if not self._config.wallet_signature_required:
            tell = _log.warning if self._config.auth_required else _log.info
            tell("wallets are not asked for a signature: a public key alone proves nothing", path="/api/ws")

    async def _drain_at_signal(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            _log.info("draining", signal=signal.Signals(number).name, seconds=self._config.server.drain_seconds)
            break
        for each in _SIGNALS:
            # A second one ends the process at once, as the system does it by itself.
            signal.signal(each, signal.SIG_DFL)
        await self._front.drain()
        with trio.move_on_after(self._config.server.drain_seconds):
            await self._core.tasks.wait_quiet()
        self._tree.stop()
        await self._tree.wait_stopped()
        await trio.sleep(_LAST_SECONDS)
        # Threads and shielded code cannot be ended from within. Everybody was told by now, and nothing more is lost.
        sys.stderr.write("callboard: something outlives every deadline: ending without it\n")
        sys.stderr.flush()
        os._exit(1)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
