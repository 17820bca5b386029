from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.rate import TokenBucket


def test_a_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(2.0, 3, now=10.0)
    assert [bucket.take(10.0) for _ in range(3)] == [0.0] * 3
    assert bucket.take(10.0) == pytest.approx(0.5)
    assert bucket.take(10.25) == pytest.approx(0.25)
    assert bucket.take(10.5) == 0.0


@given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 5), st.floats(0.5, 5))
def test_never_more_than_the_rate_and_the_burst(gaps: list[float], burst: int, per_second: float) -> None:
    bucket = TokenBucket(per_second, burst, now=0.0)
    now, allowed = 0.0, 0
    for gap in gaps:
        now += gap
        wait = bucket.take(now)
        allowed += wait == 0.0
        assert allowed <= burst + now * per_second + 1e-6
        assert 0.0 <= wait <= 1 / per_second


def test_spending_goes_on_beyond_what_is_there() -> None:
    bucket = TokenBucket(2.0, 3, now=10.0)
    assert [bucket.spend(10.0) for _ in range(5)] == [0.0, 0.0, 0.0, pytest.approx(0.5), pytest.approx(1.0)]
    assert bucket.spend(11.5) == 0.0
    assert bucket.take(12.0) == 0.0
