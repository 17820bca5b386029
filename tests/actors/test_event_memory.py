"""What an event costs while it is kept: about its own length, which is what the retention counts."""

from __future__ import annotations

import tracemalloc

from actors.event import draft


def test_the_body_of_a_short_event_is_short_in_memory() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        bodies = [draft("agent.message", {"content": str(number)}).body for number in range(1000)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / len(bodies) < 200
