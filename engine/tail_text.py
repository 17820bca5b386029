"""Events as a person reads them: one a line, streamed text running on."""

from __future__ import annotations

import re
from datetime import datetime
from typing import cast

import click
import httpx2
import orjson

from actors.event import Json

_STREAMED = frozenset({"agent.message", "agent.thinking"})
_COLOURS = {"failed": "red", "cancelled": "yellow", "completed": "green", "confirm": "magenta"}
# What moves a terminal's cursor or changes its state; an event's text comes from a model or a stranger.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class TailText:
    """Turns events into the text to write next. It remembers whether a line is still open."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._open = ""

    def event(self, event: httpx2.ServerSentEvent) -> str:
        """The text of one event. Deltas of `agent.message` and `agent.thinking` follow one another on their line."""
        if event.event == "subscribed":
            return ""
        body = _decoded(event.data)
        enveloped = isinstance(body, dict) and "data" in body
        data = body["data"] if isinstance(body, dict) and enveloped else body
        timestamp = body.get("timestamp") if isinstance(body, dict) and enveloped else None
        if event.event == "gap":
            return self.end_line() + self._gap(data) + "\n"
        if event.event in _STREAMED and isinstance(data, dict) and isinstance(data.get("content"), str):
            return self._delta(event.event, timestamp, cast(str, data["content"]))
        return self.end_line() + self._head(event.event, timestamp) + inline(data) + "\n"

    def end_line(self) -> str:
        """The line feed that is due before anything else is written."""
        due = "\n" if self._open else ""
        self._open = ""
        return due

    def _delta(self, event_type: str, timestamp: Json, content: str) -> str:
        text = printable(content)
        if self._open == event_type:
            return text
        start = self.end_line() + self._head(event_type, timestamp)
        self._open = event_type
        return start + text

    def _head(self, event_type: str, timestamp: Json) -> str:
        at = datetime.fromtimestamp(timestamp / 1000) if isinstance(timestamp, int | float) else datetime.now()
        clock = self._style(at.strftime("%H:%M:%S"), dim=True)
        colour = _COLOURS.get(event_type.rpartition(".")[2], "cyan")
        return f"{clock} {self._style(_CONTROL.sub('', event_type), fg=colour)}  "

    def _gap(self, data: Json) -> str:
        given = data if isinstance(data, dict) else {}
        lost = f"events {inline(given.get('from'))} to {inline(given.get('to'))} are lost"
        return self._style(f"warning: {lost} ({inline(given.get('reason'))})", fg="yellow")

    def _style(self, text: str, *, fg: str | None = None, dim: bool | None = None) -> str:
        return click.style(text, fg=fg, dim=dim) if self._colour else text


def printable(text: str) -> str:
    """The text without what could steer a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def inline(data: Json) -> str:
    """One line: a string as it stands, an object that holds nothing but `content` as that, all else as JSON."""
    if isinstance(data, dict) and list(data) == ["content"]:
        data = data["content"]
    text = data if isinstance(data, str) else orjson.dumps(data).decode()
    return printable(text).replace("\n", "\\n")


def _decoded(text: str) -> Json:
    try:
        body: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return body
