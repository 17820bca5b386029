"""The JavaScript client is tested with what the server sends today."""

from __future__ import annotations

import json

from tests.transport.dialects.frames_for_javascript import PATH, golden


def test_what_is_written_down_is_what_the_encoders_make() -> None:
    assert json.loads(PATH.read_text()) == golden(), "python -m tests.transport.dialects.frames_for_javascript"
