"""What all lists have in common."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

PageLimit: TypeAlias = Annotated[int, Meta(ge=1, le=1000, description="Items in a page.")]
