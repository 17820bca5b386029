from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.media_type import OCTETS, is_shown, sniff


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF....WEBPVP8 ", "image/webp"),
        (b"RIFF....WAVEfmt ", "audio/wav"),
        (b"RIFF\x00\x01..AVI ", OCTETS),
        (b"....ftypM4A ", "audio/mp4"),
        (b"%PDF-1.7", "application/pdf"),
        (b"<script>alert(1)</script>", "text/plain"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text/plain"),
        ("你好".encode(), "text/plain"),
        (b"\x00\x01", OCTETS),
        (b"", OCTETS),
    ],
)
def test_the_bytes_say_what_a_file_is(data: bytes, media_type: str) -> None:
    assert sniff(data) == media_type


@given(st.binary())
def test_nothing_that_a_browser_would_run_is_named(data: bytes) -> None:
    found = sniff(data)
    assert found not in ("text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript")
    assert not (is_shown(found) and found.startswith("text/"))
