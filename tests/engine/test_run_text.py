"""A task's events as text on two streams."""

from __future__ import annotations

import click

from callboard_client import (
    Answered,
    Artifact,
    Cancellation,
    Completed,
    Event,
    Failed,
    Gap,
    PlanCreated,
    PlanStep,
    Position,
    Question,
    StepCompleted,
    StepProgress,
    StepStarted,
    TaskEvent,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from engine.run_text import RunText


def streams(*events: TaskEvent) -> tuple[str, str, str]:
    """What is on standard output, on standard error, and on a terminal that shows both."""
    text = RunText(colour=False)
    pieces = [piece for event in events for piece in text.event(event)]
    output, remarks = ("".join(piece.text for piece in pieces if piece.answer is answer) for answer in (True, False))
    return output, remarks, "".join(piece.text for piece in pieces)


def test_the_answer_is_whole_on_its_own_stream() -> None:
    told = (Thinking("Hm"), Thinking("m."), Text("One "), StepStarted("s", "Look"), Text("two."), Completed("One two."))
    output, remarks, terminal = streams(*told)
    assert output == "One two.\n"
    assert remarks == "Hmm.\n\nstep  Look\n"
    assert terminal == "Hmm.\nOne \nstep  Look\ntwo.\n"


def test_an_answer_that_was_not_streamed_is_told_at_the_end() -> None:
    assert streams(Completed("42"))[0] == "42\n"
    assert streams(Completed(None)) == ("", "", "")
    assert streams(Text("42\n"), Completed("42\n"))[0] == "42\n"


def test_how_else_it_may_end() -> None:
    assert streams(Text("half"), Failed("no luck", "x")) == ("half\n", "failed  no luck\n", "half\nfailed  no luck\n")
    assert streams(Thinking("hm"), Cancellation("requested"))[1] == "hm\ncancelled  requested\n"


def test_remarks() -> None:
    position = Position("e", 9)
    own = Event(channel="task", topic="t", event_type="my.own", data={"n": 1}, position=position, first=9, timestamp=0)
    lost = Gap(channel="task", topic="t", first=3, last=9, reason="retention", position=position)
    gone = Gap(channel="task", topic="t", first=3, last=None, reason="gone", position=None)
    told: list[tuple[TaskEvent, str]] = [
        (PlanCreated((PlanStep("1", "Add", "1+1"), PlanStep("2", "Tell"))), "plan  Add (1+1); Tell\n"),
        (ToolCall("c", "calculator", {"expression": "1+1"}), 'tool  calculator {"expression":"1+1"}\n'),
        (ToolResult("c", "calculator", 2), "tool  = 2\n"),
        (ToolResult("c", "calculator", error="division by zero"), "tool failed  division by zero\n"),
        (StepProgress("s", 0.5), ""),
        (StepCompleted("s", "Add"), ""),
        (StepCompleted("s", "Add", success=False), "step failed  Add\n"),
        (Artifact("a.md", "text/markdown", "abc"), "made  a.md (text/markdown, 3 long)\n"),
        (Question("s", "May I?"), "confirm  May I?\n"),
        (Answered("s", True, "bob"), "approved by bob\n"),
        (Answered("s", False, "bob"), "declined by bob\n"),
        (Answered("s", False, None), "nobody has answered in time\n"),
        (own, 'my.own  {"n":1}\n'),
        (lost, "warning: events 3 to 9 are lost (retention)\n"),
        (gone, "warning: events 3 to the last are lost (gone)\n"),
    ]
    assert [(event, streams(event)[1]) for event, _ in told] == told


def test_a_model_cannot_steer_the_terminal() -> None:
    evil = "\x1b[2Jx\x07"
    for event in (Text(evil), Thinking(evil), Failed(evil), StepStarted("s", evil), ToolCall("c", evil, {evil: evil})):
        assert "\x1b" not in streams(event)[2]


def test_colours_are_for_a_terminal_alone() -> None:
    (piece,) = RunText(colour=True).event(StepStarted("s", "Look"))
    assert piece.text == click.style("step  ", fg="cyan") + "Look\n"
