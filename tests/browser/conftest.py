"""One browser and one engine for all tests, a fresh tab for each: a problem in its console fails the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

from tests.browser.chromium import WIDE, Browser, Page, browser
from tests.e2e.engine_process import EngineProcess, engine_process

Arrive: TypeAlias = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="session")
def engine(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """As `make run` starts it."""
    with engine_process(tmp_path_factory.mktemp("pages"), "[server]\ndrain_seconds = 0.1\n") as running:
        yield running


@pytest.fixture
def arrive(chromium: Browser) -> Iterator[Arrive]:
    """`arrive(size, scheme=...)`: another person."""
    pages: list[Page] = []

    def another(size: tuple[int, int] = WIDE, *, scheme: str = "light") -> Page:
        pages.append(chromium.arrive(size, scheme=scheme))
        return pages[-1]

    yield another
    troubles = [trouble for page in pages for trouble in page.troubles()]
    for page in pages:
        page.act((), "leave")
    assert troubles == []


@pytest.fixture
def page(arrive: Arrive) -> Page:
    return arrive()
