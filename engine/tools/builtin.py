"""The tools that every engine has."""

from __future__ import annotations

from engine.tools.calculator import calculator
from engine.tools.clock import clock_tool
from engine.tools.textstats import text_statistics
from engine.tools.tool import Tool


def builtin_tools() -> tuple[Tool, ...]:
    """`calculator`, `clock` and `text_statistics`."""
    return (calculator, clock_tool(), text_statistics)
