"""A task as a person reads it: the answer on one stream, what goes on around it on another."""

from __future__ import annotations

from typing import Literal, TypeAlias

import click
import msgspec

from callboard_client import (
    Answered,
    Artifact,
    Cancellation,
    ClientToolCall,
    ClientToolResult,
    Completed,
    Event,
    Failed,
    Gap,
    PlanCreated,
    PlanStep,
    Question,
    StepCompleted,
    StepStarted,
    TaskEvent,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from engine.tail_text import inline, printable

_LONGEST = 400


class Piece(msgspec.Struct, frozen=True):
    """Text to write next. The answer goes to standard output, remarks to standard error: `> file` keeps the answer."""

    text: str
    answer: bool = False


_Open: TypeAlias = Literal["answer", "thinking"] | None


class RunText:
    """Turns events into text. It remembers which line is still open, as both streams are one terminal."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._open: _Open = None
        self._answer = ""
        """The last piece of the answer, empty while there is none."""

    def event(self, event: TaskEvent) -> list[Piece]:
        match event:
            case Text(content=content):
                return [*self._enter("answer"), self._said(content)]
            case Thinking(content=content):
                return [*self._enter("thinking"), Piece(self._style(printable(content), dim=True))]
            case Completed(result=result) if result and not self._answer:
                return [*self._enter("answer"), self._said(result), *self.end()]
            case Completed() | Failed() | Cancellation():
                return [*self.end(), *self._remarks(event)]
            case _:
                remarks = self._remarks(event)
                return [*self._enter(None), *remarks] if remarks else []

    def end(self) -> list[Piece]:
        """Ends the line that is open, and the answer: its last line is whole on its own stream, too."""
        line, answer = self._open, self._answer
        self._open, self._answer = None, ""
        if answer and not answer.endswith("\n"):
            return [Piece("\n", answer=True)]
        return [Piece("\n")] if line == "thinking" else []

    def _said(self, content: str) -> Piece:
        self._answer = content or self._answer
        return Piece(printable(content), answer=True)

    def _enter(self, what: _Open) -> list[Piece]:
        """The line feed that is due. It is no part of the answer, which goes on later."""
        due = [Piece("\n")] if self._open not in (None, what) else []
        self._open = what
        return due

    def _remarks(self, event: TaskEvent) -> list[Piece]:
        line = self._remark(event)
        return [Piece(line + "\n")] if line else []

    def _remark(self, event: TaskEvent) -> str:
        match event:
            case PlanCreated(steps=steps):
                return self._style("plan  ", fg="cyan") + "; ".join(_step(step) for step in steps)
            case StepStarted(name=name):
                return self._style("step  ", fg="cyan") + inline(name)
            case StepCompleted(name=name, success=False):
                return self._style("step failed  ", fg="red") + inline(name)
            case ToolCall(name=name, arguments=arguments):
                return self._style("tool  ", fg="cyan") + f"{inline(name)} {_short(arguments)}"
            case ToolResult(error=error) if error:
                return self._style("tool failed  ", fg="red") + inline(error)
            case ToolResult(result=result):
                return self._style("tool  ", fg="cyan") + f"= {_short(result)}"
            case Artifact(name=name, media_type=media_type, content=content):
                return self._style("made  ", fg="cyan") + f"{inline(name)} ({inline(media_type)}, {len(content)} long)"
            case Question(reason=reason):
                return self._style("confirm  ", fg="magenta") + inline(reason)
            case Answered(approved=approved, by=by):
                return (
                    f"{'approved' if approved else 'declined'} by {inline(by)}" if by else "nobody has answered in time"
                )
            case ClientToolCall(name=name, arguments=arguments):
                return self._style("device  ", fg="magenta") + f"{inline(name)} {_short(arguments)}"
            case ClientToolResult(success=success, result=result, error=error, by=by):
                outcome = f"= {_short(result)}" if success else inline(error)
                return self._style("device  ", fg="magenta") + outcome + (f" by {inline(by)}" if by else "")
            case Failed(error=error):
                return self._style("failed  ", fg="red") + inline(error)
            case Cancellation(reason=reason):
                return self._style("cancelled  ", fg="yellow") + inline(reason)
            case Gap(first=first, last=last, reason=reason):
                lost = f"events {first} to {'the last' if last is None else last} are lost ({inline(reason)})"
                return self._style(f"warning: {lost}", fg="yellow")
            case Event(event_type=event_type, data=data):
                return self._style(inline(event_type) + "  ", fg="cyan") + _short(data)
            case _:
                return ""

    def _style(self, text: str, *, fg: str | None = None, dim: bool | None = None) -> str:
        return click.style(text, fg=fg, dim=dim) if self._colour else text


def _step(step: PlanStep) -> str:
    return inline(step.name) + (f" ({inline(step.description)})" if step.description else "")


def _short(data: object) -> str:
    text = inline(msgspec.to_builtins(data))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
