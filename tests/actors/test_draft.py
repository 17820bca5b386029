"""What can be told at all: whatever is drafted can be kept."""

from __future__ import annotations

import pytest

from actors.errors import CallboardError, ErrorCode
from actors.event import draft


@pytest.mark.parametrize("key", ["\ud800", "message-\udfff"])
def test_a_merge_key_that_cannot_be_written_down_is_refused(key: str) -> None:
    with pytest.raises(CallboardError, match="merge key") as refused:
        draft("agent.note", {}, merge_key=key)
    assert refused.value.code is ErrorCode.INVALID_PAYLOAD


@pytest.mark.parametrize("key", ["", "message-1", "Grüße", "🙂", "\0"])
def test_any_text_is_a_merge_key(key: str) -> None:
    assert draft("agent.note", {}, merge_key=key).merge_key == key
