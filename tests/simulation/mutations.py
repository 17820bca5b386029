"""Defects that the checker has to find: each is patched into the engine, one at a time."""

from __future__ import annotations
