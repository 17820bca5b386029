"""One engine for all tests that leave it as they found it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TypeAlias

import pytest

from tests.e2e.engine_process import EngineProcess, engine_process

Token: TypeAlias = Callable[..., str]

CONFIG = """
[auth]
required = true

[server]
drain_seconds = 1
"""


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """Requires authentication."""
    with engine_process(tmp_path_factory.mktemp("engine"), CONFIG) as running:
        yield running


@pytest.fixture(scope="session")
def open_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """Asks nobody for a credential, and logs to the usual file."""
    with engine_process(tmp_path_factory.mktemp("open"), "[server]\nport = 0\n[logging]\nto_file = true\n") as running:
        yield running


@pytest.fixture(scope="session")
def token(engine: EngineProcess) -> Token:
    """`token(user, *scopes)`: an API key of the shared engine, the same for the same words."""
    return cache(engine.token)
