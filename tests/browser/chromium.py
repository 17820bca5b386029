"""Chromium as a person uses it: parts of a page are found by what they are and by what is written on them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tests.e2e.node_process import NodeProcess, node_process
from tests.support.node import browser_folder, unusable

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_HINT = "Chromium is needed: `make chromium` as root, or `apt-get install chromium`"

Where: TypeAlias = tuple[dict[str, str], ...]

WIDE = (1280, 900)
PHONE = (390, 844)
"""Width and height in CSS pixels."""


@dataclass(frozen=True)
class Part:
    """What is found on a page at the time of each act. An act waits some seconds for its part, then the test fails."""

    page: Page
    where: Where

    def role(self, role: str, name: str = "", *, text: str = "") -> Part:
        """A part of this one. `name` is its accessible name, or some of it; `text` is somewhere in it."""
        part = Part(self.page, (*self.where, {"role": role, "name": name} if name else {"role": role}))
        return part.holding(text) if text else part

    def holding(self, text: str) -> Part:
        """This one, where the text is somewhere in it."""
        return Part(self.page, (*self.where, {"text": text}))

    def label(self, label: str) -> Part:
        """A field by its label, where it has no role."""
        return Part(self.page, (*self.where, {"label": label}))

    def click(self) -> None:
        self.page.act(self.where, "click")

    def fill(self, text: str) -> None:
        """Types it in place of what the field holds."""
        self.page.act(self.where, "fill", text)

    def type(self, text: str) -> None:
        """Key by key, behind what the field holds."""
        self.page.act(self.where, "pressSequentially", text)

    def press(self, key: str) -> None:
        self.page.act(self.where, "press", key)

    def choose(self, option: str) -> None:
        self.page.act(self.where, "selectOption", option)

    def see(self) -> Part:
        """Waits until it is there."""
        self.page.act(self.where, "waitFor")
        return self

    def see_text(self, text: str) -> None:
        """Waits until it is written somewhere in it."""
        self.holding(text).see()

    def gone(self) -> None:
        """Waits until it is no longer there."""
        self.page.act(self.where, "waitFor", {"state": "hidden"})

    @property
    def text(self) -> str:
        return str(self.page.act(self.where, "innerText"))

    @property
    def texts(self) -> list[str]:
        """Of all that are found now."""
        return [str(text) for text in self.page.act(self.where, "allTexts")]

    @property
    def value(self) -> str:
        """What stands in a field."""
        return str(self.page.act(self.where, "inputValue"))

    @property
    def enabled(self) -> bool:
        return bool(self.page.act(self.where, "isEnabled"))


@dataclass
class Page:
    """One tab, with cookies and a storage of its own. `expected` are words of the problems that the test provokes."""

    script: NodeProcess
    number: int
    expected: list[str] = field(default_factory=list)

    def act(self, where: Where, act: str, *arguments: object) -> Any:
        return call(self.script, {"page": self.number, "find": where, "act": act, "args": arguments})

    def open(self, url: str) -> None:
        self.act((), "goto", url)

    @property
    def url(self) -> str:
        return str(self.act((), "evaluate", "location.href"))

    def role(self, role: str, name: str = "", *, text: str = "") -> Part:
        return Part(self, ()).role(role, name, text=text)

    def label(self, label: str) -> Part:
        return Part(self, ()).label(label)

    @property
    def overflow(self) -> int:
        """CSS pixels by which the page is wider than its window."""
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.act((), "evaluate", wide))

    @property
    def received(self) -> list[str]:
        """Types of the frames that came over WebSockets."""
        return [str(kind) for kind in self.act((), "received")]

    def pass_time(self, milliseconds: int) -> None:
        """Lets the page's timers run ahead, once `hold_time` has stopped them."""
        self.act((), "clock", "runFor", milliseconds)

    def hold_time(self) -> None:
        """Stops the page's clock and timers. Before `open`."""
        self.act((), "clock", "install")
        self.act((), "clock", "pauseAt", 4_000_000_000_000)

    def always_draw(self, number: float) -> None:
        """What the page's random numbers are. Before `open`."""
        self.act((), "addInitScript", {"content": f"Math.random = () => {number}"})

    def picture(self, path: Path) -> None:
        self.act((), "screenshot", {"path": str(path), "fullPage": True})

    def troubles(self) -> list[str]:
        """What the browser's console and its requests complain of, less what is expected."""
        problems = [str(problem) for problem in self.act((), "problems")]
        return [problem for problem in problems if not any(words in problem for words in self.expected)]


@dataclass
class Browser:
    script: NodeProcess

    def arrive(self, size: tuple[int, int] = WIDE, *, scheme: str = "light") -> Page:
        """A person with a window of `size` opens the browser for the first time."""
        options = {"viewport": {"width": size[0], "height": size[1]}, "colorScheme": scheme, "reducedMotion": "reduce"}
        return Page(self.script, int(call(self.script, {"act": "arrive", "args": [options]})))


def call(script: NodeProcess, act: dict[str, Any]) -> Any:
    script.write(act)
    reply = script.read()
    assert "error" not in reply, reply["error"]
    return reply["value"]


@contextmanager
def browser() -> Iterator[Browser]:
    """Without Chromium or Node the test skips; where the environment names CI it fails."""
    folder, program = browser_folder(), _program(_NAMES)
    if program is None:
        unusable(_HINT)
    with node_process(str(folder / "drive.mjs"), program) as script:
        yield Browser(script)
        assert script.end() == 0


def _program(names: Sequence[str]) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)
