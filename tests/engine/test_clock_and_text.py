"""The clock and the text statistics."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from actors.tool import ToolError
from engine.tools.builtin import builtin_tools
from engine.tools.clock import clock_tool
from engine.tools.registry import ToolRegistry
from engine.tools.textstats import MAX_LENGTH, WordCount, text_figures

NOON = datetime(2024, 7, 1, 12, 0, 0, 999_000, tzinfo=UTC)


async def test_the_clock_knows_zones() -> None:
    tools = ToolRegistry([clock_tool(lambda: NOON)])
    assert await tools.call("clock", {}) == {
        "time": "2024-07-01T12:00:00+00:00",
        "zone": "UTC",
        "weekday": "Monday",
        "unix": 1719835200,
    }
    auckland = await tools.call("clock", {"zone": "Pacific/Auckland"})
    assert auckland == {
        "time": "2024-07-02T00:00:00+12:00",
        "zone": "Pacific/Auckland",
        "weekday": "Tuesday",
        "unix": 1719835200,
    }


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "/etc/localtime", "America", "", "a\0b", "é"])
async def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(ToolError, match="there is no time zone"):
        await ToolRegistry([clock_tool()]).call("clock", {"zone": zone})


async def test_the_clock_runs() -> None:
    told = await ToolRegistry(builtin_tools()).call("clock", {"zone": "Europe/Berlin"})
    assert isinstance(told, dict)
    assert abs(datetime.fromisoformat(str(told["time"])).timestamp() - time.time()) < 5


def test_figures() -> None:
    figures = text_figures("Pi is 3.14. Is it? It's nice!\nThe end", 2)
    assert (figures.characters, figures.words, figures.sentences, figures.lines) == (37, 10, 4, 2)
    assert figures.frequent == (WordCount("is", 2), WordCount("pi", 1))


@pytest.mark.parametrize(
    ("text", "words", "sentences", "lines"),
    [("", 0, 0, 0), ("...", 0, 0, 1), ("“Go!” he said.", 3, 2, 1), ("你好。再见。", 2, 2, 1), ("ça l'été", 2, 1, 1)],
)
def test_odd_texts(text: str, words: int, sentences: int, lines: int) -> None:
    figures = text_figures(text, 5)
    assert (figures.words, figures.sentences, figures.lines) == (words, sentences, lines)


@pytest.mark.parametrize("piece", [".", "a-", "a'", "!?", " ", "…", "a"])
def test_the_longest_text_takes_no_time(piece: str) -> None:
    text = (piece * MAX_LENGTH)[: MAX_LENGTH - 1] + "x"
    begun = time.process_time()
    text_figures(text, 50)
    assert time.process_time() - begun < 0.2


async def test_a_longer_text_is_refused() -> None:
    with pytest.raises(ToolError, match=r"\$\.text"):
        await ToolRegistry(builtin_tools()).call("text_statistics", {"text": "a" * (MAX_LENGTH + 1)})
