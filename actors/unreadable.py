"""What the reading of something kept raises where that is damaged, or was written by another version."""

from __future__ import annotations

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
"""msgspec has an error of its own for everything but a text that is no UTF-8."""
