"""What a table of the configuration is, and the types of its values."""

from __future__ import annotations

from typing import Annotated

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
CountOrNone = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=315_360_000)]
Origin = Annotated[str, msgspec.Meta(pattern=r"^https?://[^/\s]+$")]
"""Scheme, host and port of a page, as a browser names them."""
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the configuration."""
