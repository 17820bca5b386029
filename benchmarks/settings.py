"""What every benchmark can be told on its command line, and how it ends: a table, JSON, a picture."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx2
import msgspec

from benchmarks.machine import Machine, describe
from benchmarks.peers.catalogue import PEERS, Peer, versions
from benchmarks.picture import Panel, picture
from benchmarks.report import Reading, Report, heading, lines, markdown
from benchmarks.rig import CALLBOARD, FLOOR, Window, prepared_peers, say

SUMMARY = "summary.svg"
RESULTS = Path(__file__).parent / "results"
BUILD = Path(__file__).parent.parent / "build" / "bench"
RUN_SECONDS = 1.0
"""What a run takes beside its window: a server and a generator start, all connections open, both end."""


def three_runs(settings: Settings, servers: Sequence[str]) -> float:
    return settings.duration(3 * len(servers))


class Settings(msgspec.Struct, frozen=True):
    """`servers`: only these; empty for all. `full`: also what takes minutes."""

    quick: bool = False
    full: bool = False
    peers: bool = True
    servers: tuple[str, ...] = ()
    repetitions: int = 3
    seconds: float = 2.0

    @property
    def window(self) -> Window:
        return Window(warmup=min(1.0, self.seconds / 4), seconds=self.seconds)

    def duration(self, runs: float) -> float:
        """Seconds, roughly, of so many runs of a server with a window each, in every repetition."""
        return self.repetitions * runs * (self.window.warmup + self.window.seconds + RUN_SECONDS)

    def chosen(self, peers: Sequence[Peer]) -> list[str]:
        """The names of the servers to measure, the floor first: others are compared with it."""
        names = [FLOOR, CALLBOARD, *(peer.name for peer in peers)]
        return [name for name in names if not self.servers or name in self.servers]


class Benchmark(msgspec.Struct, frozen=True):
    """`measure` takes the settings and the prepared peers; `panels` draws its report, the first for the summary too;
    `floor` names what it is compared with; `duration` guesses the seconds for the servers named."""

    name: str
    about: str
    measure: Callable[[Settings, Sequence[Peer]], list[Reading]]
    panels: Callable[[Report], list[Panel]]
    floor: str = FLOOR
    has_peers: bool = True
    duration: Callable[[Settings, Sequence[str]], float] = three_runs


class Session(msgspec.Struct, frozen=True):
    """What all benchmarks of one command share."""

    settings: Settings
    command: str
    machine: Machine
    peers: list[Peer]
    missing: dict[str, str]

    def peers_of(self, benchmark: Benchmark) -> list[Peer]:
        chosen = self.settings.chosen(self.peers)
        return [peer for peer in self.peers if peer.name in chosen] if benchmark.has_peers else []

    def duration(self, benchmark: Benchmark) -> float:
        """Seconds, roughly."""
        return benchmark.duration(self.settings, self.settings.chosen(self.peers_of(benchmark)))


def run(benchmark: Benchmark, session: Session) -> Report:
    """Raises RuntimeError where a server of ours or the compiler fails."""
    began, peers = time.monotonic(), session.peers_of(benchmark)
    readings = benchmark.measure(session.settings, peers)
    return Report(
        benchmark=benchmark.name,
        command=session.command,
        seconds=round(time.monotonic() - began, 1),
        machine=session.machine,
        versions={peer.name: versions(peer) for peer in peers},
        missing=session.missing if benchmark.has_peers else {},
        lines=lines(readings, benchmark.floor),
        readings=readings,
    )


def write(benchmark: Benchmark, report: Report, folder: Path) -> None:
    """`NAME.json` and `NAME.svg` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(report)) + b"\n"
    (folder / f"{benchmark.name}.json").write_bytes(encoded)
    (folder / f"{benchmark.name}.svg").write_text(picture(benchmark.panels(report), heading(report)))


def main(benchmarks: Sequence[Benchmark], arguments: Sequence[str] | None, program: str) -> None:
    """The command line of one benchmark, or of all. One that fails is said so, and the others go on."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    settings, folder = _parse(benchmarks, given, program)
    peers, missing = prepared_peers(settings.peers and any(benchmark.has_peers for benchmark in benchmarks))
    session = Session(settings, " ".join(["python -m", program, *given]), describe(), peers, missing)
    guesses = {benchmark.name: session.duration(benchmark) for benchmark in benchmarks}
    say(f"This takes about {_minutes(sum(guesses.values()))} ({_each(guesses)})")
    pictured, failed = list[Panel](), list[str]()
    for benchmark in benchmarks:
        say(f"== {benchmark.name}: {benchmark.about}")
        try:
            report = run(benchmark, session)
        except (RuntimeError, OSError, httpx2.HTTPError) as error:
            say(f"{benchmark.name} failed: {error}")
            failed.append(benchmark.name)
            continue
        write(benchmark, report, folder)
        if not pictured:
            print(heading(report), end="\n\n")
        pictured += benchmark.panels(report)[:1]
        print(markdown(report), flush=True)
        say(f"{benchmark.name} took {_minutes(report.seconds)}")
    if len(pictured) > 1:
        (folder / SUMMARY).write_text(picture(pictured, session.command))
    say(f"JSON and pictures are in {folder}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _each(guesses: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_minutes(seconds)}" for name, seconds in guesses.items())


def _parse(benchmarks: Sequence[Benchmark], given: Sequence[str], program: str) -> tuple[Settings, Path]:
    about = benchmarks[0].about if len(benchmarks) == 1 else "All benchmarks, one after the other."
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=about)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="small, one second, once: does it work?")
    length.add_argument("--full", action="store_true", help="also what takes long: see each benchmark")
    parser.add_argument("--no-peers", action="store_true", help="only the floor and Callboard")
    names = [FLOOR, CALLBOARD, *(peer.name for peer in PEERS)]
    parser.add_argument("--server", action="append", choices=names, default=[], help="only this one; may be repeated")
    parser.add_argument("--repetitions", type=int, help="times that everything is measured (3)")
    parser.add_argument("--seconds", type=float, help="length of a measurement (2)")
    parser.add_argument("--out", type=Path, default=BUILD, help="folder for JSON and pictures (build/bench)")
    parser.add_argument(
        "--publish", action="store_const", dest="out", const=RESULTS, help="write them to benchmarks/results instead"
    )
    options = parser.parse_args(given)
    return Settings(
        quick=options.quick,
        full=options.full,
        peers=not options.no_peers,
        servers=tuple(options.server),
        repetitions=options.repetitions or (1 if options.quick else 3),
        seconds=options.seconds or (1.0 if options.quick else 2.0),
    ), options.out
