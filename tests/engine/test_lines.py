"""Lines of a pipe, a file and a terminal, read in the trio loop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from engine.lines import Lines


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    os.close(ends[0])


async def test_lines_come_whole_however_they_are_cut(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines = Lines(reading)
    os.write(writing, b"eins\r\nzw")
    assert await lines.next() == "eins"
    os.write(writing, "ei\n\nü".encode())
    os.close(writing)
    assert [await lines.next() for _ in range(4)] == ["zwei", "", "ü", None]
    assert await lines.next() is None


async def test_a_read_can_be_given_up(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines = Lines(reading)
    with trio.move_on_after(0.01) as scope:
        await lines.next()
    assert scope.cancelled_caught
    os.write(writing, b"later\n")
    os.close(writing)
    assert await lines.next() == "later"


async def test_a_regular_file(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("a\nb")
    with path.open() as file:
        lines = Lines(file.fileno())
        assert [await lines.next() for _ in range(3)] == ["a", "b", None]
