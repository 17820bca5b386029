"""How long to wait before a request is tried again."""

from __future__ import annotations

from random import Random

import pytest

from engine.models.retry import RetryPolicy, retry_after_seconds


def test_the_wait_doubles_within_its_jitter_up_to_the_most() -> None:
    policy, random = RetryPolicy(attempts=10, first=1, factor=2, most=5), Random(1)
    for attempt, step in enumerate([1, 2, 4, 5, 5], 1):
        waits = [policy.wait(attempt, None, random) for _ in range(200)]
        assert all(wait is not None and step / 2 <= wait <= step for wait in waits)
        assert len(set(waits)) > 100


def test_attempts_end() -> None:
    policy = RetryPolicy(attempts=2)
    assert policy.wait(1, None, Random(1)) is not None
    assert policy.wait(2, None, Random(1)) is None


def test_retry_after_is_waited_for_in_full_or_not_at_all() -> None:
    policy = RetryPolicy(first=1, patience=30)
    assert policy.wait(1, 20, Random(1)) == 20
    assert policy.wait(1, 31, Random(1)) is None
    wait = policy.wait(1, 0, Random(1))
    assert wait is not None
    assert wait >= 0.5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
    ],
)
def test_both_forms_of_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, 60.0) == seconds
