"""Our text frames are those of wsproto."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from transport.text_frame import text_frame


def by_wsproto(text: str) -> bytes:
    return bytes(FrameProtocol(client=False, extensions=[]).send_data(text, fin=True))


@given(st.text(max_size=400))
def test_any_text(text: str) -> None:
    assert text_frame(text.encode()) == by_wsproto(text)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20])
def test_each_form_of_the_length(size: int) -> None:
    assert text_frame(b"x" * size) == by_wsproto("x" * size)
