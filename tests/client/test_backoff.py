"""The waits between attempts to connect."""

from __future__ import annotations

from callboard_client import Backoff


def test_the_ceiling_doubles_up_to_its_own_and_starts_again_after_a_success() -> None:
    backoff = Backoff(first=0.5, ceiling=5, uniform=lambda _low, high: high)
    assert [backoff.next_seconds() for _ in range(5)] == [0.5, 1, 2, 4, 5]
    backoff.reset()
    assert backoff.next_seconds() == 0.5


def test_jitter_covers_everything_from_nothing_to_the_ceiling() -> None:
    bounds: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        bounds.append((low, high))
        return low

    backoff = Backoff(first=1, ceiling=3, uniform=uniform)
    assert [backoff.next_seconds() for _ in range(3)] == [0, 0, 0]
    assert bounds == [(0, 1), (0, 2), (0, 3)]
