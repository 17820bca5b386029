"""The calculator: Python's arithmetic, and nothing that takes long or runs code."""

from __future__ import annotations

import contextlib
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.tool import ToolError
from engine.tools.calculator import MAX_LENGTH, calculator, evaluate
from engine.tools.registry import ToolRegistry

SECONDS = 0.1


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("123 + 456", 579),
        ("2 * (3 + 4) ** 2", 98),
        ("-2 ** 2", -4),
        ("7 // 2 + 7 % 4", 6),
        ("2 ** -1", 0.5),
        ("1_000 * 1.5e3", 1_500_000.0),
        (" \n 1\n+ 1 ", 2),
        ("1 ** 10 ** 400", 1),
    ],
)
def test_values(expression: str, value: float) -> None:
    found = evaluate(expression)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "empty"),
        ("9**9**9", "too large"),
        ("9**9**9**9", "too large"),
        ("(10**1000) * (10**1000)", "too large"),
        ("2.0 ** 5000", "too large"),
        ("1e999", "too large"),
        ("1e308 * 10", "too large"),
        ("10**1200 / 3", "too large"),
        ("1 / 0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("(-8) ** 0.5", "not a real number"),
        ("abs(3)", "only numbers"),
        ("__import__('os')", "only numbers"),
        ("x + 1", "only numbers"),
        ("E", "only numbers"),
        ("1 if 1 else 2", "only numbers"),
        ("(1)(2)", "only numbers"),
        ("1, 2", "only numbers"),
        ("2 ^ 3", "only numbers"),
        ("1 +", "not a valid expression"),
        ("()", "only numbers"),
        ("-" * 900 + "1", "nested"),
        ("(" * 400 + "1" + ")" * 400, "nested"),
        ("1" * (MAX_LENGTH + 1), "longer than"),
    ],
)
def test_refusals_come_at_once(expression: str, reason: str) -> None:
    begun = time.process_time()
    with pytest.raises(ToolError, match=reason):
        evaluate(expression)
    assert time.process_time() - begun < SECONDS


@given(st.text(alphabet="0123456789+-*/%().eE_ ", max_size=80) | st.text(max_size=80))
def test_any_text_is_a_number_or_an_error_soon(text: str) -> None:
    begun = time.process_time()
    with contextlib.suppress(ToolError):
        assert isinstance(evaluate(text), int | float)
    assert time.process_time() - begun < SECONDS


def _combined(parts: tuple[tuple[str, Fraction], str, tuple[str, Fraction]]) -> tuple[str, Fraction]:
    (left, a), sign, (right, b) = parts
    value = {"+": a + b, "-": a - b, "*": a * b}[sign]
    return f"({left} {sign} {right})", value


_terms = st.recursive(
    st.integers(0, 10**6).map(lambda number: (str(number), Fraction(number))),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(_combined),
    max_leaves=12,
)


@given(_terms, st.integers(1, 10**6))
def test_whole_arithmetic_is_exact(term: tuple[str, Fraction], divisor: int) -> None:
    text, value = term
    assert evaluate(text) == value
    assert evaluate(f"{text} // {divisor}") == value // divisor
    assert evaluate(f"{text} % {divisor}") == value % divisor
    assert evaluate(f"{text} / {divisor}") == float(value / divisor)


async def test_the_tool_gives_numbers_that_json_holds() -> None:
    tools = ToolRegistry([calculator])
    assert await tools.call("calculator", {"expression": "2**64 - 1"}) == 2**64 - 1
    assert await tools.call("calculator", {"expression": "2**64"}) == float(2**64)
    assert await tools.call("calculator", {"expression": "-2**63 - 1"}) == float(-(2**63) - 1)
    with pytest.raises(ToolError, match="too large"):
        await tools.call("calculator", {"expression": "10**400"})
