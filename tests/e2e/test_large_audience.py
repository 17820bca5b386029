"""A task with a large audience: written to together where there is io_uring, one by one where it is not to be used."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

import pytest

from tests.e2e.clients import Event, Socket, assert_gapless, gateway_socket, rest, unmerged
from tests.e2e.engine_process import EngineProcess, engine_process
from transport.io_uring import IoUring

WATCHERS = 48
VANISHING = 6
TURNS = 12
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def has_io_uring() -> bool:
    try:
        IoUring(1, 1)
    except OSError:
        return False
    return True


def uses_io_uring(engine: EngineProcess) -> bool:
    return any("io_uring" in str(link.readlink()) for link in Path(f"/proc/{engine.process.pid}/fd").iterdir())


def entries_taken(engine: EngineProcess) -> list[int]:
    """How many entries the kernel has taken from io_uring, for each of its descriptors. Older kernels do not say."""
    told = [info.read_text().splitlines() for info in Path(f"/proc/{engine.process.pid}/fdinfo").iterdir()]
    return [int(line.split()[1]) for lines in told for line in lines if line.startswith("SqHead:")]


def one_turn(watchers: Iterable[Socket]) -> list[list[Event]]:
    return [watcher.events_until("burst.tick") for watcher in watchers]


@pytest.mark.parametrize("allowed", [True, False])
def test_each_of_many_sees_all_though_some_lag_and_some_vanish(tmp_path: Path, allowed: bool) -> None:
    config = "" if allowed else "[server]\nio_uring = false\n"
    with engine_process(tmp_path, config) as engine, ExitStack() as stack, rest(engine.url) as client:
        assert uses_io_uring(engine) == (allowed and has_io_uring())

        def connected(receive_buffer: int | None = None) -> Socket:
            return stack.enter_context(gateway_socket(engine.socket_url, receive_buffer=receive_buffer))

        watchers, slow = [connected() for _ in range(WATCHERS)], connected(4096)
        task = watchers[0].create("led", str(20 * TURNS))
        for each in (*watchers, slow):
            each.subscribe("task", task["task_id"], since={task["task_id"]: task["position"]})
        seen = one_turn(watchers)
        for turn in range(1, TURNS):
            if turn == TURNS // 2:
                for gone in watchers[-VANISHING:]:
                    gone.connection.socket.setsockopt(SOL_SOCKET, SO_LINGER, _RESET_ON_CLOSE)
                    gone.connection.socket.close()
                watchers, seen = watchers[:-VANISHING], seen[:-VANISHING]
            watchers[0].action("append_turn", task["task_id"], "on")
            for events, more in zip(seen, one_turn(watchers), strict=True):
                events += more
        watchers[0].action("append_turn", task["task_id"], "on")
        for events, watcher in zip(seen, watchers, strict=True):
            events += watcher.events_until()
        late = slow.events_until()
        for events in (*seen, late):
            assert_gapless(events)
            assert unmerged(events) == unmerged(seen[0])
        assert seen[0][-1]["data"]["result"] == f"{20 * TURNS} pieces"
        assert all(number > WATCHERS for number in entries_taken(engine))
        assert client.get(f"/api/v1/tasks/{task['task_id']}").json()["state"] == "completed"
