"""Deadlines: who comes due when, and that nobody is kept who needs none."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from transport.deadlines import Deadlines

STEPS = st.lists(
    st.tuples(
        st.sampled_from("abcd"), st.sampled_from([0.5, 1.0, 3.0]), st.booleans(), st.sampled_from([0.0, 0.25, 2.0])
    ),
    max_size=40,
)


@given(STEPS)
def test_as_a_plain_table_of_moments(steps: list[tuple[str, float, bool, float]]) -> None:
    deadlines: Deadlines[str] = Deadlines()
    model: dict[tuple[str, float], float] = {}
    now = 100.0
    for who, delay, wanted, passing in steps:
        if wanted:
            assert deadlines.add(who, delay, now) == now + delay
            model[who, delay] = now + delay
        else:
            deadlines.remove(who, delay)
            model.pop((who, delay), None)
        assert deadlines.first == min(model.values(), default=math.inf)
        now += passing
        due = [key for key, at in model.items() if at <= now]
        assert sorted(deadlines.take_due(now)) == sorted(who for who, _ in due)
        for key in due:
            del model[key]
        assert len(deadlines) == len(model)
