"""How every benchmark tells its figures: readings, their medians and spread, the ratio to the floor, the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from benchmarks.machine import Machine, median


class Reading(msgspec.Struct, frozen=True):
    """One figure of one run. `x` is its place on the curve of `subject` (subscribers, tasks), 0 where it is alone;
    `doubts` say why it may not mean what it seems to. `failed` says why there is no figure; `value` means nothing then.
    """

    subject: str
    server: str
    unit: str
    value: float
    x: int = 0
    doubts: tuple[str, ...] = ()
    failed: str = ""


class Line(msgspec.Struct, frozen=True):
    """The runs of one figure: median, lowest and highest of those that were not disturbed, or of all where all were.

    `ratio` is to the floor's median in this run. `doubts` tells of the runs that count; `disturbed` is how many do not.
    Where every run failed, `failed` says why, `runs` is 0 and the figures mean nothing.
    """

    subject: str
    server: str
    unit: str
    x: int
    median: float
    lowest: float
    highest: float
    runs: int
    disturbed: int
    ratio: float | None
    doubts: tuple[str, ...]
    failed: str = ""


class Report(msgspec.Struct, frozen=True):
    """What a benchmark writes as JSON. `missing` are the peers left out, and why; `seconds` is what it all took."""

    benchmark: str
    command: str
    seconds: float
    machine: Machine
    versions: dict[str, dict[str, str]]
    missing: dict[str, str]
    lines: list[Line]
    readings: list[Reading]


def lines(readings: Sequence[Reading], floor: str) -> list[Line]:
    """The readings of the same subject, place and server as one line each, in the order of their first readings."""
    groups: dict[tuple[str, int, str, str], list[Reading]] = {}
    for reading in readings:
        groups.setdefault((reading.subject, reading.x, reading.unit, reading.server), []).append(reading)
    found = []
    for (subject, x, unit, server), group in groups.items():
        under = _median(groups.get((subject, x, unit, floor), ())) if server != floor else None
        found.append(_line(group, under))
    return found


def _line(group: Sequence[Reading], under: float | None) -> Line:
    first, counting, middle = group[0], _counting(group), _median(group)
    values = [reading.value for reading in counting] or [0.0]
    return Line(
        subject=first.subject,
        server=first.server,
        unit=first.unit,
        x=first.x,
        median=middle or 0.0,
        lowest=min(values),
        highest=max(values),
        runs=len(counting),
        disturbed=len(group) - len(counting),
        ratio=middle / under if under and middle is not None else None,
        doubts=tuple(sorted({doubt for reading in counting for doubt in reading.doubts})),
        failed="" if counting else first.failed,
    )


def _median(group: Sequence[Reading]) -> float | None:
    counting = _counting(group)
    return median([reading.value for reading in counting]) if counting else None


def _counting(group: Sequence[Reading]) -> Sequence[Reading]:
    """Those that were not disturbed, or all that gave a figure."""
    done = [reading for reading in group if not reading.failed]
    return [reading for reading in done if not reading.doubts] or done


def markdown(report: Report) -> str:
    """A section for a README: one table, a row for each subject and place, a column for each server."""
    servers = list(dict.fromkeys(line.server for line in report.lines))
    rows: dict[tuple[str, int, str], dict[str, str]] = {}
    for line in report.lines:
        rows.setdefault((line.subject, line.x, line.unit), {})[line.server] = _cell(line)
    table = [["", *servers], ["---", *("---:" for _ in servers)]]
    for (subject, x, unit), cells in rows.items():
        name = subject.format(x=f"{x:,}")
        table.append([f"{name}, {unit}" if unit else name, *(cells.get(server, "") for server in servers)])
    text = [f"### {report.benchmark}", "", *("| " + " | ".join(row) + " |" for row in table), ""]
    text += [f"{name} is missing: {reason}" for name, reason in report.missing.items()]
    failures = {
        (line.server, line.failed): line.subject.format(x=f"{line.x:,}") for line in report.lines if line.failed
    }
    text += [f"{server} failed ({subject}): {reason}" for (server, reason), subject in failures.items()]
    doubtful = dict.fromkeys(doubt for line in report.lines for doubt in line.doubts)
    if doubtful:
        text.append(f"(!) disturbed in every run: {'; '.join(doubtful)}.")
    return "\n".join(text).rstrip() + "\n"


def _cell(line: Line) -> str:
    """The median, the spread, the ratio to the floor: `12,000 (11,800-12,300)` and a factor."""
    if line.failed:
        return "failed"
    spread = f" ({number(line.lowest)}-{number(line.highest)})" if line.runs > 1 else ""
    ratio = f" ×{line.ratio:.2f}" if line.ratio is not None else ""
    return f"{number(line.median)}{spread}{ratio}{' (!)' if line.doubts else ''}"


def number(value: float) -> str:
    """Three digits that mean something."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def series(found: Iterable[Line]) -> dict[str, list[tuple[float, float]]]:
    """The points (x, median) of each server, for curves."""
    points: dict[str, list[tuple[float, float]]] = {}
    for line in found:
        points.setdefault(line.server, []).append((line.x, line.median))
    return points


def heading(report: Report) -> str:
    """The machine, the versions and the command, as lines of text."""
    machine = report.machine
    libraries = ", ".join(f"{name} {version}" for name, version in machine.libraries.items())
    peers = "; ".join(
        f"{name}: {', '.join(f'{library} {number}' for library, number in found.items())}"
        for name, found in report.versions.items()
    )
    told = [f"{machine.processor}, {machine.cores} cores, Linux {machine.kernel}, Python {machine.python}", libraries]
    return "\n".join([*told, *([peers] if peers else []), f"`{report.command}`"])
