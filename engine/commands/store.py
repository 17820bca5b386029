"""`callboard store`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from engine.commands.on_store import size, store_file
from engine.commands.options import config_option
from engine.store_figures import KindFigures, StoreFigures, store_figures


@click.command()
@config_option
def store(config_file: Path | None) -> None:
    """Say what the store holds. A running server goes on meanwhile."""
    with store_file(config_file) as path:
        figures = store_figures(path)
    click.echo(_told(path, figures))


def _told(path: Path, figures: StoreFigures) -> str:
    waste = f"; of {figures.waste} topics events are being deleted" if figures.waste else ""
    return "\n".join(
        (
            f"file     {path}, {size(figures.size)}, of which {size(figures.free)} free{waste}",
            f"log      {size(figures.log_size)} beside it",
            f"records  {figures.records}",
            *map(_line, figures.kinds),
        )
    )


def _line(kind: KindFigures) -> str:
    oldest = ""
    if kind.oldest is not None:
        oldest = f", the oldest of {datetime.fromtimestamp(kind.oldest / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"{kind.channel:<8} {kind.topics} topics, {kind.events} events{oldest}"
