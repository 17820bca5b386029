"""Samples in JavaScript, run in Node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.e2e.node_process import NodeProcess, node_process


class Running:
    """A sample that runs, and the lines of what it has done so far (`tests/node/run_sample.mjs`)."""

    def __init__(self, script: NodeProcess) -> None:
        self._script = script
        self.lines: list[tuple[str, Any]] = []

    def until(self, kind: str, met: Callable[[Any], bool] = lambda _: True) -> Any:  # whatever the sample has shown
        """The first line of this kind that fits, once it is there."""
        for told in self._of(kind):
            if met(told):
                return told
        while True:
            name, told = self._next()
            if name == kind and met(told):
                return told

    def until_log(self, text: str) -> None:
        self.until("log", lambda logged: logged == text)

    def until_type(self, kind: str, frame_type: str) -> dict[str, Any]:
        """The first frame of this type that was `sent` or `received`."""
        frame: dict[str, Any] = self.until(kind, lambda told: told["type"] == frame_type)
        return frame

    def next_type(self, kind: str, frame_type: str) -> dict[str, Any]:
        """As `until_type`, of what was not told so far."""
        while True:
            name, frame = self._next()
            if name == kind and frame["type"] == frame_type:
                return dict(frame)

    def happens(self, what: str) -> None:
        """Has something happen around it."""
        self._script.write(what)

    def logged(self) -> list[str]:
        return self._of("log")

    def errors(self) -> list[str]:
        return self._of("error")

    def _next(self) -> tuple[str, Any]:
        ((name, told),) = self._script.read().items()
        self.lines.append((name, told))
        return name, told

    def _of(self, kind: str) -> list[Any]:
        return [told for name, told in self.lines if name == kind]


class Surroundings(msgspec.Struct, frozen=True):
    """`words` are replaced in what a sample sends, and back in what it receives; `hosts` are where the hosts of its
    addresses really are; `socket` is opened for a sample that only says `ws`."""

    words: dict[str, str] = {}
    hosts: dict[str, str] = {}
    socket: str | msgspec.UnsetType = msgspec.UNSET


AS_IT_IS = Surroundings()


@contextmanager
def running(source: Path, surroundings: Surroundings = AS_IT_IS) -> Iterator[Running]:
    """Runs a module."""
    with node_process("run_sample.mjs", str(source), msgspec.json.encode(surroundings).decode()) as script:
        yield Running(script)


@contextmanager
def running_text(text: str, folder: Path, surroundings: Surroundings = AS_IT_IS) -> Iterator[Running]:
    """Runs a text as a module of its own, word for word."""
    source = folder / "sample.mjs"
    source.write_text(text)
    with running(source, surroundings) as sample:
        yield sample
