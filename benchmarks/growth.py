"""Cost as it grows: a delivery by the number of subscribers, channels by theirs, live tasks by theirs.

    python -m benchmarks.growth [--quick | --full] [--server NAME] [--publish]

A delivery is one event a write at full speed, and what is told is the server's time on its core, beside the C floor
in every repetition. Channels and tasks are grown once: they are created over the public API, and idle channels are
waited for until the engine has put them away. `--full`: 100,000 channels with an event each, and not 10,000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from benchmarks import many_channels
from benchmarks.many_channels import KEPT, NAMED, channels
from benchmarks.many_tasks import LIVE as LIVE_TASK
from benchmarks.many_tasks import POLITE as AMONG_TASKS
from benchmarks.many_tasks import live_tasks
from benchmarks.peers.catalogue import Peer
from benchmarks.picture import Panel, curves
from benchmarks.report import Line, Reading, Report, series
from benchmarks.rig import CALLBOARD, Load, Rig, Watched, say
from benchmarks.settings import Benchmark, Settings, main

DELIVERY = "a delivery to {x} subscribers"
COST = "µs of CPU"


def audiences(settings: Settings) -> tuple[int, ...]:
    return (1, 100) if settings.quick else (1, 10, 100, 1000, 5000, 10_000, 15_000)


def numbers(settings: Settings, kind: str) -> tuple[int, ...]:
    """How many channels there are, one after the other."""
    if settings.quick:
        return (1, 100)
    return (1, 1000, 10_000, 100_000) if kind == NAMED or settings.full else (1, 1000, 10_000)


def tasks(settings: Settings) -> tuple[int, ...]:
    return (1, 100) if settings.quick else (1, 10, 100, 1000, 10_000)


def delivery(rig: Rig, server: str, subscribers: int) -> Reading:
    watched = rig.watch(server, Load("ws", subscribers))
    return Reading(DELIVERY, server, COST, cost(watched), subscribers, tuple(watched.doubts))


def cost(watched: Watched) -> float:
    """Microseconds of the server's core for each delivery."""
    return 1e6 * watched.cpu_share / watched.counted.per_second


def deliveries(rig: Rig, settings: Settings) -> Iterator[Reading]:
    for repetition in range(settings.repetitions):
        for count in audiences(settings):
            for server in settings.chosen(()):
                say(f"[{repetition + 1}/{settings.repetitions}] growth: {server}, {count} subscribers")
                yield delivery(rig, server, count)


def measure(settings: Settings, _: Sequence[Peer]) -> list[Reading]:
    servers = settings.chosen(())
    rig, idle = Rig(settings.window, fit=CALLBOARD in servers), not settings.quick
    parts: dict[str, Callable[[], Iterator[Reading]]] = {"deliveries": lambda: deliveries(rig, settings)}
    if CALLBOARD in servers:
        parts["channels without events"] = lambda: channels(rig, NAMED, numbers(settings, NAMED), idle=idle)
        parts["channels with an event each"] = lambda: channels(rig, KEPT, numbers(settings, KEPT), idle=idle)
        parts["live tasks"] = lambda: live_tasks(rig, tasks(settings))
    found: list[Reading] = []
    for name, part in parts.items():
        say(f"growth: {name}")
        for reading in part():
            doubts = f" ! {'; '.join(reading.doubts)}" if reading.doubts else ""
            say(f"    {reading.subject.format(x=f'{reading.x:,}')}: {reading.value:,.3g} {reading.unit}{doubts}")
            found.append(reading)
    return found


def panels(report: Report) -> list[Panel]:
    def of(subject: str, unit: str) -> dict[int, Line]:
        return {line.x: line for line in report.lines if line.subject == subject and line.unit == unit}

    def curve(subject: str, unit: str) -> list[tuple[float, float]]:
        return [(x, line.median) for x, line in of(subject, unit).items()]

    kinds = (NAMED, KEPT)
    live, polite = ({kind: text.replace("{kind}", kind) for kind in kinds} for text in _CHANNELS)
    return [
        curves("Microseconds of a delivery by the number of subscribers", series(_deliveries(report))),
        curves(
            "KiB of each by their number",
            {**{f"channel {kind}": curve(live[kind], "KiB each") for kind in kinds},
             "live task": curve(LIVE_TASK, "KiB each")},
        ),
        curves(
            "p99 of one stream at 100 events/s, ms, beside so many",
            {**{f"channels {kind}": curve(polite[kind], "p99 ms") for kind in kinds},
             "live tasks": curve(AMONG_TASKS, "p99 ms")},
        ),
    ]  # fmt: skip


_CHANNELS = (many_channels.LIVE, many_channels.POLITE)


def _deliveries(report: Report) -> list[Line]:
    return [line for line in report.lines if line.subject == DELIVERY]


def duration(settings: Settings, servers: Sequence[str]) -> float:
    """Each number of channels or tasks takes some eight seconds, a thousand events published about one more."""
    curve = settings.duration(len(audiences(settings)) * len(servers))
    grown = [numbers(settings, NAMED), numbers(settings, KEPT), tasks(settings)]
    idle = 0 if settings.quick else 80
    return curve + 8 * sum(map(len, grown)) + numbers(settings, KEPT)[-1] / 1000 + idle


GROWTH = Benchmark(
    name="growth",
    about=(__doc__ or "").partition("\n")[0],
    measure=measure,
    panels=panels,
    has_peers=False,
    duration=duration,
)

if __name__ == "__main__":
    main([GROWTH], None, "benchmarks.growth")
