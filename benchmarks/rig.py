"""The bench itself: servers on one core, load generators on another, and what is watched of both."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import reduce
from pathlib import Path
from typing import TypedDict, TypeVar, Unpack

import httpx2
import msgspec

from actors.channels_options import ChannelsOptions
from benchmarks.callboard_server import CallboardServer
from benchmarks.flood_agent import Flood
from benchmarks.load.processes import Counted, Floor, LoadGenerator
from benchmarks.machine import cpu_time, pinned, raise_descriptor_limit, resident_bytes, two_cores
from benchmarks.peers.catalogue import PEERS, Peer, PeerServer, prepare, serve

FLOOR = "C floor"
CALLBOARD = "Callboard"
EVENT_BYTES = 200
GATEWAY_PATH = "/api/v1/gateway/ws"
T = TypeVar("T")
MOST_CONNECTIONS = 20_000
WAITING_LIMIT = 0.05
GENERATOR_LIMIT = 0.9
GENERATOR_SATURATED, OTHERS_RAN = "the load generator was saturated", "other processes took the core"
NAP_US = 10
"""How long the generator naps at full speed, for each connection: a few events wait in every socket by then."""
LONGEST_NAP_US = 10_000
IN_MEMORY = {"STORE__PATH": ":memory:"}
"""Settings with which Callboard keeps no log on the disk."""


class Load(msgspec.Struct, frozen=True):
    """What a server is to send: `batch` events joined in one write, `rate` a second (0 = full speed), to
    `connections` that read and `stalled` that do not; `fill` large events come first.

    Callboard's log is in memory, as that of the peers. With `kept` it is on the disk, and each event is committed
    before the next one is published. `alone`: Callboard makes a system call for each delivery, as it does without
    io_uring.
    """

    transport: str = "ws"
    connections: int = 1000
    rate: float = 0
    batch: int = 1
    stalled: int = 0
    fill: int = 0
    kept: bool = False
    alone: bool = False

    @property
    def settings(self) -> dict[str, str]:
        """Callboard's, as `SECTION__KEY`."""
        return {**({} if self.kept else IN_MEMORY), **({"SERVER__IO_URING": "false"} if self.alone else {})}


class Window(msgspec.Struct, frozen=True):
    """Seconds from the first event to the beginning of the measurement, and of the measurement."""

    warmup: float = 1.0
    seconds: float = 4.0


class Watched(msgspec.Struct, frozen=True):
    """What the generator counted, and the server's shares of one core meanwhile: running, and ready but waiting."""

    counted: Counted
    cpu_share: float
    waiting_share: float
    grown_bytes: int
    """By how much the server's memory grew since everybody was there."""

    @property
    def doubts(self) -> list[str]:
        """Why the figure may not mean what it seems to."""
        found = []
        if self.counted.cpu_share > GENERATOR_LIMIT:
            found.append(GENERATOR_SATURATED)
        if max(self.waiting_share, self.counted.run_queue_share) > WAITING_LIMIT:
            found.append(OTHERS_RAN)
        if self.counted.closed or self.counted.bad_stamps:
            found.append(f"{self.counted.closed} connections lost, {self.counted.bad_stamps} bad time stamps")
        return found

    @property
    def doubts_text(self) -> str:
        return f" ! {'; '.join(self.doubts)}" if self.doubts else ""


class Failed(msgspec.Struct, frozen=True):
    """Why a peer could not be measured."""

    reason: str


class GeneratorOptions(TypedDict, total=False):
    """Those of LoadGenerator."""

    sse: bool
    script: Sequence[str]
    seconds: float
    warmup: float
    total: int
    nap_us: int
    sample: int
    idle: float
    progress: bool
    marker: str
    stalled: int


class Target(msgspec.Struct, frozen=True):
    """A running server: path and script by transport, and how to let it send."""

    pid: int
    port: int
    paths: dict[str, str]
    scripts: dict[str, tuple[str, ...]]
    start: Callable[[], None]


class Rig:
    """Starts servers on one core and generators on another. The peers must have been prepared."""

    def __init__(self, window: Window, *, fit: bool = True) -> None:
        """`fit`: everybody's messages are as large as Callboard's, which are measured once."""
        raise_descriptor_limit()
        self.server_core, self.load_core = two_cores()
        self._window = window
        self._peers = {peer.name: peer for peer in PEERS}
        self._fits = fit
        self._pads: dict[tuple[str, bool], tuple[int, int]] = {}

    def watch(self, server: str, load: Load) -> Watched:
        """One measurement. Raises RuntimeError where the server fails or not one event arrives."""
        with self.sending(server, load) as target, ExitStack() as stack:
            transports = ("ws", "sse") if load.transport == "mixed" else (load.transport,)
            each = msgspec.structs.replace(load, connections=max(1, load.connections // len(transports)))
            generators = [stack.enter_context(self.follow(target, kind, each)) for kind in transports]
            for generator in generators:
                generator.wait_ready()
            resting = resident_bytes(target.pid)
            target.start()
            return self.count(target.pid, generators, resting)

    def try_watch(self, server: str, load: Load) -> Watched | Failed:
        return attempt(server, lambda: self.watch(server, load))

    def count(self, pid: int, generators: Sequence[LoadGenerator], resting: int = 0) -> Watched:
        """What generators count from now to their ends, and what the process `pid` takes meanwhile."""
        before, began = cpu_time(pid), time.monotonic_ns()
        counted = reduce(Counted.joined, [generator.result() for generator in generators])
        spent, wall = cpu_time(pid) - before, time.monotonic_ns() - began
        if not counted.deliveries:
            raise RuntimeError(f"not one event arrived: ended by {counted.ended}, {counted.closed} connections closed")
        grown = max(0, resident_bytes(pid) - resting)
        return Watched(counted, round(spent.running / wall, 3), round(spent.waiting / wall, 3), grown)

    @contextmanager
    def sending(self, server: str, load: Load) -> Iterator[Target]:
        """A server that sends what `load` says once it is started; the floor as soon as all are there."""
        pad, size = self._fit(load.transport, kept=load.kept)
        if server == FLOOR:
            with self.on_server_core(
                lambda: Floor(
                    load.connections, sse=load.transport == "sse", message_bytes=size, batch=load.batch, rate=load.rate
                )
            ) as floor:
                yield Target(floor.pid, floor.port, {"ws": "/", "sse": "/"}, {}, lambda: None)
        elif server == CALLBOARD:
            # To a small audience each emit is a fan-out of its own, after which nothing is left to wait for.
            pause = 4 + load.connections // 128 if load.connections > ChannelsOptions().in_place else 0
            order = Flood(rate=load.rate, pad=pad, window=load.batch, pause=pause, fill=load.fill, kept=load.kept)
            with self.callboard(False, load.settings) as callboard:
                task_id = callboard.create_flood(order)
                paths = {"ws": GATEWAY_PATH, "sse": f"/api/v1/channels/task/{task_id}/events"}
                scripts = {"ws": subscribe(task_id), "sse": ("--expect", "event: subscribed")}
                yield Target(callboard.pid, callboard.port, paths, scripts, lambda: callboard.start(task_id))
        else:
            peer = self._peers[server]
            with self.peer(peer, load.rate, load.fill, size) as running:
                yield Target(running.pid, running.port, {"ws": peer.path}, {"ws": peer.script}, running.start)

    @contextmanager
    def callboard(
        self,
        auth: bool = False,
        more: Mapping[str, str] | None = None,
        fill: Callable[[Path], None] | None = None,
        /,
        **limits: int,
    ) -> Iterator[CallboardServer]:
        """Callboard, ready, with room for every client of a benchmark; `limits` are those of its configuration, `more`
        is other settings of it, as `SECTION__KEY`, `fill` writes its database first.

        `auth`: nobody is let in without a credential.
        """
        chosen = {"connections": MOST_CONNECTIONS, **limits}
        settings = {f"CALLBOARD_LIMITS__{name.upper()}": str(value) for name, value in chosen.items()}
        settings["CALLBOARD_AUTH__REQUIRED"] = str(auth).lower()
        settings.update({f"CALLBOARD_{name}": value for name, value in (more or {}).items()})
        with self.on_server_core(lambda: CallboardServer(settings, fill)) as server:
            server.wait_ready()
            yield server

    @contextmanager
    def peer(self, peer: Peer, rate: float = 0, fill: int = 0, size: int = EVENT_BYTES) -> Iterator[PeerServer]:
        with self.on_server_core(lambda: serve(peer, rate=rate, message_bytes=size, fill=fill)) as running:
            yield running

    def on_server_core(self, make: Callable[[], T]) -> T:
        with pinned(self.server_core):
            return make()

    def on_load_core(self, make: Callable[[], T]) -> T:
        with pinned(self.load_core):
            return make()

    def generator(self, port: int, path: str, connections: int, **options: Unpack[GeneratorOptions]) -> LoadGenerator:
        """A generator on its core, with the rig's window; `options` are those of LoadGenerator."""
        chosen = GeneratorOptions(
            seconds=self._window.seconds, warmup=self._window.warmup, progress=sys.stderr.isatty()
        )
        chosen.update(options)
        with pinned(self.load_core):
            return LoadGenerator(port, path, connections, **chosen)

    def follow(self, target: Target, transport: str, load: Load) -> LoadGenerator:
        """The subscribers of `load`, all on this transport."""
        return self.generator(
            target.port,
            target.paths[transport],
            load.connections,
            sse=transport == "sse",
            script=target.scripts.get(transport, ()),
            nap_us=0 if load.rate else min(NAP_US * load.connections, LONGEST_NAP_US),
            sample=1 if load.rate else 16,
            stalled=load.stalled,
        )

    def _fit(self, transport: str, *, kept: bool) -> tuple[int, int]:
        """The padding with which Callboard's message has EVENT_BYTES, and the bytes it then has: more if it must."""
        if not self._fits:
            return 0, EVENT_BYTES
        kind = "ws" if transport == "mixed" else transport
        if (kind, kept) not in self._pads:
            self._pads[kind, kept] = (0, 0)
            with self.sending(CALLBOARD, Load(kind, 1, rate=100, kept=kept)) as target:
                script = target.scripts[kind]
                with self.generator(
                    target.port, target.paths[kind], 1, sse=kind == "sse", script=script, total=20
                ) as one:
                    one.wait_ready()
                    target.start()
                    counted = one.result()
            bare = round(counted.message_bytes / max(1, counted.deliveries))
            self._pads[kind, kept] = max(0, EVENT_BYTES - bare), max(EVENT_BYTES, bare)
        return self._pads[kind, kept]


def attempt(server: str, measure: Callable[[], T]) -> T | Failed:
    """What `measure` returns; a peer that fails is said so in a line. Raises the error where the server is ours."""
    try:
        return measure()
    except (RuntimeError, OSError, httpx2.HTTPError) as error:
        if server in (FLOOR, CALLBOARD):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        say(f"    {server} failed: {reason}")
        return Failed(reason)


def send(kind: str, payload: object, answer: str) -> tuple[str, ...]:
    """The steps of a script that send a frame of the gateway and wait for the answer of this type."""
    frame = msgspec.json.encode({"id": kind, "type": kind, "payload": payload}).decode()
    return ("--send", frame, "--expect", f'"{answer}"')


def subscribe(task_id: str) -> tuple[str, ...]:
    """The script that follows a task on a WebSocket; `%s` is the connection's own."""
    return send("subscribe", {"channel": "task", "topics": [task_id]}, "subscribed")


def prepared_peers(wanted: bool) -> tuple[list[Peer], dict[str, str]]:
    """The peers that can be run here and why the others cannot, each said in a line; none where none is wanted."""
    if not wanted:
        return [], {}
    say("Preparing the peers: they are installed into build/peers where they are not there yet")
    found, missing = prepare(PEERS)
    for name, reason in missing.items():
        say(f"{name} is left out: {reason}")
    return found, missing


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)
