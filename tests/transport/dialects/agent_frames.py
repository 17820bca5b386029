"""What the tests of the agent dialect's frames share."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def content(frame: bytes) -> dict[str, Any]:
    """The JSON of a frame, its time taken out."""
    start = {126: 4, 127: 10}.get(frame[1], 2)
    message: dict[str, Any] = orjson.loads(frame[start:])
    assert isinstance(message.pop("timestamp"), float)
    return message
