"""Our control frames are those of wsproto."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import CloseReason, FrameProtocol

from transport.control_frames import PING, close_frame, pong

BY_WSPROTO = FrameProtocol(client=False, extensions=[])

# wsproto sends no code for its own 1005 alone, and not for the number.
codes = st.one_of(st.sampled_from(CloseReason), st.integers(3000, 4999))


@given(codes, st.text(max_size=130))
def test_a_close_frame_with_any_code_and_reason(code: int, reason: str) -> None:
    if code == CloseReason.NO_STATUS_RCVD:
        assert close_frame(code, reason) == b"\x88\x00"
    else:
        assert close_frame(code, reason) == bytes(BY_WSPROTO.close(code, reason))


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("x" * 123, b"x" * 123),
        ("x" * 124, b"x" * 123),
        ("x" * 121 + "\N{SNOWMAN}", b"x" * 121),
        ("x" * 120 + "\N{SNOWMAN}" * 2, b"x" * 120 + "\N{SNOWMAN}".encode()),
    ],
)
def test_a_reason_too_long_is_cut_at_a_character(reason: str, sent: bytes) -> None:
    data = close_frame(1000, reason)
    assert data == b"\x88" + bytes([2 + len(sent)]) + (1000).to_bytes(2, "big") + sent


@given(st.binary(max_size=125))
def test_a_pong_to_any_ping(payload: bytes) -> None:
    assert pong(payload) == bytes(BY_WSPROTO.pong(payload))


def test_our_ping() -> None:
    assert bytes(BY_WSPROTO.ping()) == PING
