from __future__ import annotations

import pytest
import trio

from tests.transport.http.site import Site, open_site


@pytest.fixture
def site(autojump_clock: trio.abc.Clock, nursery: trio.Nursery) -> Site:
    """The HTTP side of an engine in memory, on a clock that jumps."""
    return open_site(nursery)
