"""The frames and bodies that the documents give as examples, as JSON, and a connection to hold them against."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.documents.blocks import Kind, blocks
from tests.e2e.engine_process import PATIENCE

_COMMENT = re.compile(r"\s+//.*$", re.MULTILINE)
_ONE_LINE = re.compile(r"^\{.*\}$", re.MULTILINE)
_NAME = re.compile(r"(?<=[{,]) (\w+):")


class Examples:
    """A document's, each taken once. `{...}` and `[...]`, which stand for anything, are an empty object and list."""

    def __init__(self, document: str, words: Mapping[str, str] | None = None) -> None:
        """`words` are replaced in all of them: what the reader is to choose."""
        self.left = [
            json.loads(_replaced(text, words or {}))
            for block in blocks(document)
            if block.kind is Kind.EXAMPLE
            for text in _objects(block.language, block.text)
        ]

    def take(self, kind: str | None = None) -> dict[str, Any]:
        """The first one left of this type, or without a type."""
        found: dict[str, Any] = next(one for one in self.left if one.get("type") == kind)
        self.left.remove(found)
        return found


class Wire:
    """A WebSocket on which examples are sent, and what comes is held against examples."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._passed: list[dict[str, Any]] = []
        """What came before something else that was waited for: an event may overtake the reply to what caused it."""

    def send(self, frame: object) -> None:
        self._socket.send(json.dumps(frame))

    def until(self, example: dict[str, Any], met: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The next frame of the example's type that fits, which must be like the example."""
        frame = next((each for each in self._passed if _fits(each, example, met)), None)
        if frame is not None:
            self._passed.remove(frame)
        while frame is None:
            came: dict[str, Any] = json.loads(self._socket.recv(PATIENCE))
            if _fits(came, example, met):
                frame = came
            else:
                self._passed.append(came)
        assert_like(frame, example)
        return frame


def _fits(frame: dict[str, Any], example: dict[str, Any], met: Callable[[dict[str, Any]], bool]) -> bool:
    return bool(frame["type"] == example["type"]) and met(frame)


@contextmanager
def wire(address: str, headers: Mapping[str, str] | None = None) -> Iterator[Wire]:
    with connect(address, additional_headers=headers, proxy=None) as socket:
        yield Wire(socket)


def assert_like(found: object, example: object, at: str = "") -> None:
    """That nothing in the example is missing, and everything is of its JSON type; times are also of its form."""
    assert type(found) is type(example), f"{at}: {found!r} is not like {example!r}"
    match found, example:
        case dict(), dict():
            for name, value in example.items():
                assert name in found, f"{at}.{name} is missing"
                assert_like(found[name], value, f"{at}.{name}")
        case list(), [first, *_]:
            assert found, f"{at} is empty"
            for number, value in enumerate(found):
                assert_like(value, first, f"{at}[{number}]")
        case str(), str():
            assert not _is_time(example) or _is_time(found), f"{at}: {found} is no time"
        case _:
            pass


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _objects(language: str, text: str) -> list[str]:
    """The JSON in a block; several, one a line, where they are written in TypeScript."""
    if language != "typescript":
        return [_COMMENT.sub("", text)]
    return [_NAME.sub(r'"\1":', one.replace("'", '"')) for one in _ONE_LINE.findall(text)]


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for name, value in {"{...}": "{}", "[...]": "[]", **words}.items():
        text = text.replace(name, value)
    return text
