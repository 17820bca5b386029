"""Figures about a text."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated

import msgspec
from msgspec import Meta

from engine.tools.tool import tool

MAX_LENGTH = 50_000

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
# The lookbehind lets a run of dots be tried once and not once per dot.
_SENTENCE_END = re.compile(r"(?<![.!?])[.!?]+(?=[\s\"'”’)\]]|$)|[。！？…]+")


class WordCount(msgspec.Struct, frozen=True):
    word: str
    count: int


class TextStatistics(msgspec.Struct, frozen=True):
    """Counts. A sentence is a part with a word in it that ends in `.`, `!`, `?`, `…` or with the text.

    `frequent` holds the most frequent words, caseless, those of one count in the order of their first use.
    """

    characters: int
    words: int
    sentences: int
    lines: int
    frequent: tuple[WordCount, ...]


def text_figures(text: str, top: int) -> TextStatistics:
    words = [word.casefold() for word in _WORD.findall(text)]
    return TextStatistics(
        characters=len(text),
        words=len(words),
        sentences=sum(1 for part in _SENTENCE_END.split(text) if _WORD.search(part)),
        lines=len(text.splitlines()),
        frequent=tuple(WordCount(word, count) for word, count in Counter(words).most_common(top)),
    )


@tool(category="text", timeout=1.0, inline=True)
def text_statistics(
    text: Annotated[str, Meta(description="The text to measure.", max_length=MAX_LENGTH)],
    top: Annotated[int, Meta(description="How many of the most frequent words to list.", ge=0, le=50)] = 5,
) -> TextStatistics:
    """Counts the characters, words, sentences and lines of a text and lists its most frequent words."""
    return text_figures(text, top)
