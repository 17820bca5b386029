"""On which line of a TOML text each key stands; the standard library's parser does not say."""

from __future__ import annotations

import re
import tomllib

KeyPath = tuple[str, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^,\]}#\r\n]*")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of each key and table. `text` has passed `tomllib.loads`: nothing is validated here."""
    return _Scanner(text).run()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._counted_to = 0
        self._line = 1

    def run(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._assignment(table)
            self._skip(_BLANK)
        return self._lines

    def _header(self) -> KeyPath:
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        path = self._key(())
        self._at += brackets
        return path

    def _assignment(self, table: KeyPath) -> None:
        path = self._key(table)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _key(self, prefix: KeyPath) -> KeyPath:
        """Reads a dotted key up to what follows it, and notes it and the tables that it implies."""
        path = prefix
        while True:
            self._skip(_SPACE)
            path = (*path, self._key_part())
            self._lines.setdefault(path, self._line_number())
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return path
            self._at += 1

    def _key_part(self) -> str:
        if self._text[self._at] in "\"'":
            name: str = tomllib.loads(f"key = {self._skip(_STRING)}")["key"]
            return name
        return self._skip(_BARE_KEY)

    def _value(self, path: KeyPath) -> None:
        match self._text[self._at]:
            case '"' | "'":
                self._skip(_STRING)
            case "[":
                self._group("]", path, keyed=False)
            case "{":
                self._group("}", path, keyed=True)
            case _:
                self._skip(_SCALAR)

    def _group(self, end: str, path: KeyPath, *, keyed: bool) -> None:
        """An array, or an inline table, whose members are keys of `path`."""
        self._at += 1
        self._skip(_BLANK)
        while self._text[self._at] != end:
            if keyed:
                self._assignment(path)
            else:
                self._value(path)
            self._skip(_BLANK)
            if self._text[self._at] == ",":
                self._at += 1
                self._skip(_BLANK)
        self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"not TOML at character {self._at}")
        self._at = found.end()
        return found[0]

    def _line_number(self) -> int:
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        return self._line
