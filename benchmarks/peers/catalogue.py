"""The peers: what each is started with, and how the load generator talks to it."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import Protocol

import msgspec

from benchmarks.load.processes import Program
from benchmarks.peers import install
from benchmarks.peers.nchan import Nchan


class Kind(Enum):
    PYTHON = "python"
    NODE = "node"
    NCHAN = "nchan"


class PeerServer(Protocol):
    """A running peer. `start` lets it broadcast; `pid` is the process that does it."""

    pid: int
    port: int

    def start(self) -> None: ...


_SUBSCRIBE = ("--send", '{"type":"subscribe"}', "--expect", '"subscribed"')
_SOCKET_IO_OPEN = ("--expect", '"sid"', "--send", "40", "--expect", "40{")


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """`script` leads a connection of the load generator to its subscription, `opening` only to where it may ask.

    `libraries` are the distributions whose versions its figures depend on. `ping` is empty where it answers none.
    """

    name: str
    kind: Kind
    server: str = ""
    libraries: tuple[str, ...] = ()
    path: str = "/"
    script: tuple[str, ...] = _SUBSCRIBE
    opening: tuple[str, ...] = ()
    ping: str = '{"type":"ping","id":1}'


PEERS = (
    Peer(name="websockets", kind=Kind.PYTHON, server="with_websockets.py", libraries=("websockets", "uvloop")),
    Peer(name="picows", kind=Kind.PYTHON, server="with_picows.py", libraries=("picows", "uvloop")),
    Peer(
        name="Starlette",
        kind=Kind.PYTHON,
        server="with_starlette.py",
        libraries=("starlette", "uvicorn", "httptools", "websockets", "uvloop"),
    ),
    Peer(
        name="python-socketio",
        kind=Kind.PYTHON,
        server="with_socketio.py",
        libraries=("python-socketio", "uvicorn", "uvloop"),
        path="/socket.io/?EIO=4&transport=websocket",
        script=(*_SOCKET_IO_OPEN, "--send", '42["subscribe"]', "--expect", '"subscribed"'),
        opening=_SOCKET_IO_OPEN,
        ping='42["ping_me",{"type":"ping","id":1}]',
    ),
    Peer(name="Node ws", kind=Kind.NODE, libraries=("ws",)),
    Peer(name="nginx+Nchan", kind=Kind.NCHAN, path="/events", script=(), ping=""),
)


def prepare(peers: Sequence[Peer]) -> tuple[list[Peer], dict[str, str]]:
    """Those that can be run here, brought here if need be; and why the others cannot, by name."""
    found, missing = [], {}
    for peer in peers:
        try:
            _command(peer)
        except (install.MissingPeerError, OSError) as error:
            missing[peer.name] = str(error)
        else:
            found.append(peer)
    return found, missing


def versions(peer: Peer) -> dict[str, str]:
    """The versions of a prepared peer's libraries."""
    match peer.kind:
        case Kind.PYTHON:
            locked = dict(re.findall(r"^([\w-]+)==(\S+)", (install.HERE / "requirements.lock").read_text(), re.M))
            return {name: locked[name] for name in peer.libraries}
        case Kind.NODE:
            packages = json.loads((install.SERVERS / "package-lock.json").read_text())["packages"]
            run = subprocess.run([install.node()[0], "--version"], capture_output=True, text=True, check=True)
            return {"node": run.stdout.strip(), "ws": packages["node_modules/ws"]["version"]}
        case Kind.NCHAN:
            packages_here = sorted(install.nginx()[0].parents[2].glob("*.deb"))
            return {deb.name.split("_")[0]: deb.name.split("_")[1].replace("%3a", ":") for deb in packages_here}


class _Script(Program):
    """A peer that is one of our scripts: it prints its port and waits for a line on its standard input."""

    def __init__(self, name: str, command: Sequence[str], directory: Path | None) -> None:
        # The libraries write of every client that leaves without a goodbye, as the load generator does.
        super().__init__(name, command, directory, tempfile.TemporaryFile())  # noqa: SIM115 lives as long as this
        self.port = self.listening()

    def start(self) -> None:
        self.tell("go")


def serve(peer: Peer, *, rate: float, message_bytes: int, fill: int = 0) -> AbstractContextManager[PeerServer]:
    """A prepared peer, started. Raises RuntimeError where it ends at once."""
    if peer.kind is Kind.NCHAN:
        program, module = install.nginx()
        return Nchan(program, module, rate=rate, message_bytes=message_bytes, fill=fill)
    command, directory = _command(peer)
    options = ["--rate", str(rate), "--bytes", str(message_bytes), "--fill", str(fill)]
    return _Script(peer.name, [*command, *options], directory)


def _command(peer: Peer) -> tuple[list[str], Path | None]:
    match peer.kind:
        case Kind.PYTHON:
            return [str(install.python()), str(install.SERVERS / peer.server)], None
        case Kind.NODE:
            program, folder = install.node()
            return [program, str(folder / "with_ws.mjs")], folder
        case Kind.NCHAN:
            return [str(install.nginx()[0])], None
