"""Bars and curves as SVG, written by hand: plain functions from figures to text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from textwrap import wrap

from benchmarks.report import Line, number

WIDTH = 720
LEFT, RIGHT = 150, 130
ROW = 20
CURVE_HEIGHT = 220
COLOURS = {
    "Callboard": "#1f6feb",
    "C floor": "#8b949e",
    "websockets": "#d29922",
    "picows": "#a371f7",
    "Starlette": "#3fb950",
    "python-socketio": "#f85149",
    "Node ws": "#39c5cf",
    "nginx+Nchan": "#db61a2",
}
NAME_COLUMNS = 19
"""Characters of a curve's name that fit to the right of the curves; a longer one has a line more."""
NAME_LINE = 13


class Panel:
    """A part of the picture: its own height in pixels, and what is drawn from the height 0 on."""

    def __init__(self, height: int, body: str) -> None:
        self.height = height
        self.body = body


def bars(title: str, found: Sequence[Line]) -> Panel:
    """A bar for each line, as long as its median, with its spread as a thin stroke; none for what failed."""
    found = [line for line in found if not line.failed]
    most = max((line.highest for line in found), default=0) or 1
    room = WIDTH - LEFT - RIGHT
    parts = [_text(0, 14, title, weight="bold")]
    for place, line in enumerate(found):
        y = 26 + place * ROW
        long, low, high = (room * value / most for value in (line.median, line.lowest, line.highest))
        parts += [
            _text(LEFT - 8, y + 12, line.server, anchor="end"),
            f'<rect x="{LEFT}" y="{y}" width="{long:.1f}" height="14" fill="{colour(line.server)}"/>',
            f'<path d="M{LEFT + low:.1f} {y + 7}H{LEFT + high:.1f}" stroke="#24292f"/>',
            _text(LEFT + max(long, high) + 6, y + 12, f"{number(line.median)}{'' if not line.doubts else ' (!)'}"),
        ]
    return Panel(36 + len(found) * ROW, "".join(parts))


def curves(title: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> Panel:
    """A curve through the points (x, y) of each name; both axes are logarithmic. Points that are not above 0 are left
    out."""
    kept = {name: [(x, y) for x, y in points if x > 0 and y > 0] for name, points in series.items()}
    everything = [point for points in kept.values() for point in points]
    if not everything:
        return Panel(24, _text(0, 14, title, weight="bold"))
    x_axis = Axis([x for x, _ in everything], LEFT, WIDTH - RIGHT)
    y_axis = Axis([y for _, y in everything], 26 + CURVE_HEIGHT, 26)
    parts = [_text(0, 14, title, weight="bold"), *_grid(x_axis, y_axis)]
    ends: list[float] = []
    colours = {name: colour(name, place) for place, name in enumerate(kept)}
    for name, points in sorted(kept.items(), key=lambda item: -item[1][-1][1] if item[1] else 0):
        if not points:
            continue
        path = " ".join(f"{x_axis.place(x):.1f},{y_axis.place(y):.1f}" for x, y in points)
        end = max([y_axis.place(points[-1][1]) + 4, *(other + NAME_LINE for other in ends[-1:])])
        rows = wrap(name, NAME_COLUMNS)
        ends.append(end + NAME_LINE * (len(rows) - 1))
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="2"/>',
            *(
                _text(x_axis.place(points[-1][0]) + 6, end + NAME_LINE * row, text, fill=colours[name])
                for row, text in enumerate(rows)
            ),
        ]
    return Panel(max([26 + CURVE_HEIGHT + 30, *(round(end) + NAME_LINE for end in ends[-1:])]), "".join(parts))


class Axis:
    """A logarithmic axis between two pixels, from the power of ten below the values to the one above."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(self.low + 1, math.ceil(math.log10(max(values))))
        self.start, self.end = start, end

    def place(self, value: float) -> float:
        return self.start + (self.end - self.start) * (math.log10(value) - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        return [float(10**power) for power in range(self.low, self.high + 1)]


def picture(panels: Sequence[Panel], caption: str) -> str:
    """The panels below each other, and a caption, as an SVG document."""
    y, parts = 16, []
    for panel in panels:
        parts.append(f'<g transform="translate(0 {y})">{panel.body}</g>\n')
        y += panel.height + 16
    foot = "".join(_text(0, y + 12 + 16 * place, line) for place, line in enumerate(caption.splitlines()))
    height = y + 16 * (1 + len(caption.splitlines()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + 32}" height="{height}" font-size="12" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="#ffffff"/>\n'
        f'<g transform="translate(16 0)">{"".join(parts)}{foot}</g></svg>\n'
    )


def colour(name: str, place: int = 0) -> str:
    """The same server has the same colour in every panel; what is no server has that of its place."""
    return COLOURS.get(name) or tuple(COLOURS.values())[place % len(COLOURS)]


def _grid(x_axis: Axis, y_axis: Axis) -> list[str]:
    parts = []
    for x in x_axis.ticks():
        at = x_axis.place(x)
        parts.append(f'<path d="M{at:.1f} {y_axis.end}V{y_axis.start}" stroke="#d0d7de"/>')
        parts.append(_text(at, y_axis.start + 16, number(x), anchor="middle"))
    for y in y_axis.ticks():
        at = y_axis.place(y)
        parts.append(f'<path d="M{x_axis.start} {at:.1f}H{x_axis.end}" stroke="#d0d7de"/>')
        parts.append(_text(x_axis.start - 8, at + 4, number(y), anchor="end"))
    return parts


def _text(x: float, y: float, text: str, *, anchor: str = "start", fill: str = "#24292f", weight: str = "") -> str:
    bold = f' font-weight="{weight}"' if weight else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{bold}>{escape(text)}</text>'
