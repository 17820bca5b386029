from __future__ import annotations

import pytest
import trio

from tests.transport.http.site import Site, open_site


@pytest.fixture
def site(nursery: trio.Nursery) -> Site:
    """The HTTP side of an engine in memory. A test about time asks for `autojump_clock` itself."""
    return open_site(nursery)
