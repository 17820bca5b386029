"""Small commands decoded, dispatched and answered on one core; and what polite clients feel of a flooding one.

    python -m benchmarks.inbound [--quick] [--no-peers] [--server NAME] [--publish]

A command is a ping as JSON, its answer a pong; for Callboard also two that pass its router. Each client has one under
way, or 16 and sends as many at once as one read has answered. Callboard's rate limits are configured away, except where
a limit is what is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import msgspec

from benchmarks.flood_agent import Flood
from benchmarks.load.processes import Echo, LoadGenerator
from benchmarks.peers.catalogue import Peer
from benchmarks.picture import Panel, bars
from benchmarks.report import Reading, Report
from benchmarks.rig import (
    CALLBOARD,
    FLOOR,
    GATEWAY_PATH,
    GENERATOR_LIMIT,
    GENERATOR_SATURATED,
    Rig,
    Watched,
    say,
)
from benchmarks.settings import Benchmark, Settings, main

PONG = '"pong"'
PING = '{"id":1,"type":"ping"}'
DEPTH = 16
CLIENTS = 100
POLITE_SECONDS = 0.1
FLOOD_DEPTH = 256
SPEED = "pings of {x} clients, 16 at once"
SINGLE = "pings of {x} clients, one at a time"
SUBSCRIBED = "`subscribe` of {x} clients to what they hold, 16 at once"
ACTED = "`task.action` of {x} clients (cancel again), 16 at once"
SUBSCRIBE = '{"id":1,"type":"subscribe","payload":{"channel":"app","topics":["news"]}}'
ACT = '{"id":1,"type":"task.action","payload":{"task_id":"%s","action":"cancel"}}'
ALONE = "polite clients ({x}, 10 pings/s each)"
FLOODED = "the same beside one client that floods"
NO_LIMIT = {"commands_per_second": 1_000_000, "commands_burst": 1_000_000_000}


class Asked(msgspec.Struct, frozen=True):
    """A running server and how it is asked."""

    pid: int
    port: int
    path: str = "/"
    opening: tuple[str, ...] = ()
    ping: str = PING
    marker: str = PONG


@contextmanager
def answering(rig: Rig, server: str, peers: Sequence[Peer], connections: int, *, limited: bool) -> Iterator[Asked]:
    if server == FLOOR:
        with rig.on_server_core(lambda: Echo(connections)) as echo:
            # It answers without a look at what it was asked.
            yield Asked(echo.pid, echo.port)
    elif server == CALLBOARD:
        with rig.callboard(**({} if limited else NO_LIMIT)) as callboard:
            yield Asked(callboard.pid, callboard.port, GATEWAY_PATH)
    else:
        peer = next(peer for peer in peers if peer.name == server)
        with rig.peer(peer) as running:
            yield Asked(running.pid, running.port, peer.path, peer.opening, peer.ping)


def asking(rig: Rig, asked: Asked, connections: int, *request: str) -> LoadGenerator:
    script = [*asked.opening, "--request", asked.ping, *request]
    return rig.generator(asked.port, asked.path, connections, script=script, marker=asked.marker)


def flood(rig: Rig, asked: Asked) -> LoadGenerator:
    """One client that never waits long for its answers. What it is told, refusals included, is not counted."""
    script = [*asked.opening, "--request", asked.ping, "--depth", str(FLOOD_DEPTH)]
    return rig.generator(asked.port, asked.path, 1, script=script, marker='"type"', seconds=3600, progress=False)


def speed(rig: Rig, server: str, peers: Sequence[Peer], depth: int = DEPTH) -> Watched:
    with answering(rig, server, peers, CLIENTS, limited=False) as asked:
        return full_speed(rig, asked, depth)


def full_speed(rig: Rig, asked: Asked, depth: int = DEPTH) -> Watched:
    with asking(rig, asked, CLIENTS, "--depth", str(depth)) as load:
        load.wait_ready()
        return rig.count(asked.pid, [load])


def routed(rig: Rig) -> dict[str, Watched]:
    """Callboard's commands that pass its router, by subject."""
    found = {}
    with rig.callboard(**NO_LIMIT) as callboard:
        task_id = callboard.create_flood(Flood(events=1))
        callboard.start(task_id)
        for subject, request, marker in (
            (SUBSCRIBED, SUBSCRIBE, '"subscribed"'),
            (ACTED, ACT % task_id, '"task.result"'),
        ):
            asked = Asked(callboard.pid, callboard.port, GATEWAY_PATH, ping=request, marker=marker)
            found[subject] = full_speed(rig, asked)
    return found


def politeness(rig: Rig, server: str, peers: Sequence[Peer], *, flooded: bool, limited: bool = False) -> Watched:
    with (
        answering(rig, server, peers, CLIENTS + flooded, limited=limited) as asked,
        asking(rig, asked, CLIENTS, "--every", str(POLITE_SECONDS)) as polite,
        ExitStack() as stack,
    ):
        if flooded:
            stack.enter_context(flood(rig, asked)).wait_ready()
        polite.wait_ready()
        return rig.count(asked.pid, [polite])


def measure(settings: Settings, peers: Sequence[Peer]) -> list[Reading]:
    able = [peer for peer in peers if peer.ping]
    rig, found = Rig(settings.window, fit=False), list[Reading]()
    for repetition in range(settings.repetitions):
        for server in settings.chosen(able):
            say(f"[{repetition + 1}/{settings.repetitions}] inbound: {server}")
            try:
                new = one_server(rig, server, able)
            except RuntimeError as error:
                if server in (FLOOR, CALLBOARD):
                    raise
                say(f"    failed: {error}")
                continue
            say("    " + ", ".join(f"{reading.value:,.1f} {reading.unit}" for reading in new))
            found += new
    return found


def one_server(rig: Rig, server: str, peers: Sequence[Peer]) -> list[Reading]:
    fast, found = {SPEED: speed(rig, server, peers), SINGLE: speed(rig, server, peers, 1)}, list[Reading]()
    if server == CALLBOARD:
        fast |= routed(rig)
    for subject, watched in fast.items():
        rate, others = watched.counted.per_second, tuple(each for each in watched.doubts if each != GENERATOR_SATURATED)
        # A saturated generator is no doubt of a server that is saturated too, nor of what one of its seconds can do.
        doubts = others if watched.cpu_share > GENERATOR_LIMIT else tuple(watched.doubts)
        found.append(Reading(subject, server, "commands/s", rate, CLIENTS, doubts))
        found.append(Reading(subject, server, "commands/CPU s", rate / max(watched.cpu_share, 0.001), CLIENTS, others))
    felt = {ALONE: politeness(rig, server, peers, flooded=False), FLOODED: politeness(rig, server, peers, flooded=True)}
    if server == CALLBOARD:
        felt[f"{FLOODED}, default limits"] = politeness(rig, server, peers, flooded=True, limited=True)
    for subject, watched in felt.items():
        value = watched.counted.latency_us.p99 / 1000
        found.append(Reading(subject, server, "p99 ms", value, CLIENTS, tuple(watched.doubts)))
    return found


def panels(report: Report) -> list[Panel]:
    fast = [line for line in report.lines if (line.subject, line.unit) == (SPEED, "commands/s")]
    flooded = [line for line in report.lines if line.subject == FLOODED]
    return [bars("Commands/s on one core", fast), bars("p99 of polite clients beside a flooding one, ms", flooded)]


INBOUND = Benchmark(name="inbound", about=(__doc__ or "").partition("\n")[0], measure=measure, panels=panels)

if __name__ == "__main__":
    main([INBOUND], None, "benchmarks.inbound")
