"""The fenced blocks of the five documents that the dialects come from, and which of them are clients."""

from __future__ import annotations

import re
from enum import Enum
from functools import cache

import msgspec

from tests.conftest import SEEDS

DOCUMENTS = ("000", "001", "002", "003", "004")

_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_DRAWN = re.compile("[├│┌]")


class Kind(Enum):
    """What a block is. The value says what becomes of it."""

    CLIENT = "code, commands, requests and addresses that use a server: run word for word"
    EXAMPLE = "frames and bodies on the wire: what a client sends is sent, what a server answers is held against ours"
    SERVER = "left out: parts of those teams' own servers, in their own libraries"
    DRAWING = "left out: drawings"


class Block(msgspec.Struct, frozen=True):
    """One fenced block, its text as it stands."""

    document: str
    line: int
    language: str
    text: str

    @property
    def opening(self) -> str:
        return self.text.partition("\n")[0]

    @property
    def kind(self) -> Kind:
        """By the language, and where that leaves it open by what only one of the two sides would say."""
        match self.language:
            case "json":
                return Kind.EXAMPLE
            case "javascript" | "tsx" | "http":
                return Kind.CLIENT
            case "typescript":
                if not re.search(r"^(import|const|realtimeAgent)\b", self.text, re.MULTILINE):
                    return Kind.EXAMPLE
                return (
                    Kind.CLIENT
                    if re.search(r"import \{ \w+Client \} from '[^']+/realtime'", self.text)
                    else Kind.SERVER
                )
            case "python":
                return Kind.CLIENT if "import websockets" in self.text else Kind.SERVER
            case "bash":
                return Kind.SERVER if "main.py" in self.text else Kind.CLIENT
            case "":
                return Kind.DRAWING if _DRAWN.search(self.text) else Kind.CLIENT
        raise ValueError(f"{self.document}:{self.line}: no rule for {self.language}")


@cache
def document(number: str) -> str:
    (path,) = SEEDS.glob(f"{number}_*.txt")
    return path.read_text()


@cache
def blocks(number: str) -> tuple[Block, ...]:
    """All fenced blocks of a document, in their order."""
    text = document(number)
    return tuple(
        Block(number, text.count("\n", 0, found.start()) + 1, found[2], found[3]) for found in _FENCED.finditer(text)
    )


def client(number: str, opening: str) -> Block:
    """The one client of the document whose first line begins so."""
    (found,) = (block for block in blocks(number) if block.kind is Kind.CLIENT and block.opening.startswith(opening))
    return found
