"""Strategies for JSON."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def json_of(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=10,
    )


json_values = json_of(st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()))
"""Also NaN, infinities and lone surrogates, which Python's encoder writes."""
proper_values = json_of(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text())
