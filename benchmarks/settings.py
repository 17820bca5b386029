"""What every benchmark can be told on its command line, and how it ends: a table, JSON, a picture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx2
import msgspec

from benchmarks.machine import describe
from benchmarks.peers.catalogue import PEERS, Peer, versions
from benchmarks.picture import Panel, picture
from benchmarks.report import Reading, Report, heading, lines, markdown
from benchmarks.rig import CALLBOARD, FLOOR, Window, prepared_peers, say

RESULTS = Path(__file__).parent / "results"
BUILD = Path(__file__).parent.parent / "build" / "bench"


class Settings(msgspec.Struct, frozen=True):
    """`servers`: only these; empty for all. `full`: also what takes minutes."""

    quick: bool = False
    full: bool = False
    peers: bool = True
    servers: tuple[str, ...] = ()
    repetitions: int = 3
    seconds: float = 4.0

    @property
    def window(self) -> Window:
        return Window(warmup=min(1.0, self.seconds / 4), seconds=self.seconds)

    def window_after(self, warmup: float) -> Window:
        """The same window, after a longer warm-up (seconds)."""
        return Window(warmup=warmup, seconds=self.seconds)

    def chosen(self, peers: Sequence[Peer]) -> list[str]:
        """The names of the servers to measure, the floor first: others are compared with it."""
        names = [FLOOR, CALLBOARD, *(peer.name for peer in peers)]
        return [name for name in names if not self.servers or name in self.servers]


class Benchmark(msgspec.Struct, frozen=True):
    """`measure` takes the settings and the prepared peers; `panels` draws its report; `floor` names what it is compared
    with."""

    name: str
    about: str
    measure: Callable[[Settings, Sequence[Peer]], list[Reading]]
    panels: Callable[[Report], list[Panel]]
    floor: str = FLOOR
    has_peers: bool = True


def run(benchmark: Benchmark, settings: Settings, command: str) -> Report:
    """Raises RuntimeError where a server or the compiler fails."""
    machine = describe()
    peers, missing = prepared_peers(settings.peers and benchmark.has_peers)
    wanted = [peer for peer in peers if peer.name in settings.chosen(peers)]
    readings = benchmark.measure(settings, wanted)
    return Report(
        benchmark=benchmark.name,
        command=command,
        machine=machine,
        versions={peer.name: versions(peer) for peer in wanted},
        missing=missing,
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
    """The command line of one benchmark, or of all."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    settings, folder = _parse(benchmarks, given, program)
    for benchmark in benchmarks:
        say(f"== {benchmark.name}: {benchmark.about}")
        try:
            report = run(benchmark, settings, " ".join(["python -m", program, *given]))
        except (RuntimeError, httpx2.HTTPError) as error:
            sys.exit(f"{benchmark.name}: {error}")
        write(benchmark, report, folder)
        if benchmark is benchmarks[0]:
            print(heading(report), end="\n\n")
        print(markdown(report), flush=True)
    say(f"JSON and pictures are in {folder}")


def _parse(benchmarks: Sequence[Benchmark], given: Sequence[str], program: str) -> tuple[Settings, Path]:
    about = benchmarks[0].about if len(benchmarks) == 1 else "All benchmarks, one after the other."
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=about)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="small, one second, once: does it work?")
    length.add_argument("--full", action="store_true", help="up to 15,000 subscribers")
    parser.add_argument("--no-peers", action="store_true", help="only the floor and Callboard")
    names = [FLOOR, CALLBOARD, *(peer.name for peer in PEERS)]
    parser.add_argument("--server", action="append", choices=names, default=[], help="only this one; may be repeated")
    parser.add_argument("--repetitions", type=int, help="times that everything is measured (3)")
    parser.add_argument("--seconds", type=float, help="length of a measurement (4)")
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
        seconds=options.seconds or (1.0 if options.quick else 4.0),
    ), options.out
