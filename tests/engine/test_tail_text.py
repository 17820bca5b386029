"""Events as a person reads them."""

from __future__ import annotations

import json
import time
from datetime import datetime

import httpx2
import pytest

from actors.event import Json
from engine.tail_text import TailText

AT = int(time.mktime((2026, 1, 2, 3, 4, 5, 0, 0, -1)) * 1000)
CLOCK = datetime.fromtimestamp(AT / 1000).strftime("%H:%M:%S")


def sent(event_type: str, data: Json) -> httpx2.ServerSentEvent:
    body = {"channel": "task", "topic": "t", "event_type": event_type, "data": data, "offset": 1, "timestamp": AT}
    return httpx2.ServerSentEvent(event=event_type, data=json.dumps(body), id="e:1")


def written(*events: httpx2.ServerSentEvent, colour: bool = False) -> str:
    text = TailText(colour=colour)
    return "".join(map(text.event, events)) + text.end_line()


def test_deltas_run_on_and_other_events_have_their_line() -> None:
    assert written(
        sent("subscribed", None),
        sent("task.started", {"task_id": "t"}),
        sent("agent.message", {"content": "Hel"}),
        sent("agent.message", {"content": "lo\nworld"}),
        sent("agent.thinking", {"content": "hm"}),
        sent("task.completed", {"result": "Hello"}),
    ) == (
        f'{CLOCK} task.started  {{"task_id":"t"}}\n'
        f"{CLOCK} agent.message  Hello\nworld\n"
        f"{CLOCK} agent.thinking  hm\n"
        f'{CLOCK} task.completed  {{"result":"Hello"}}\n'
    )


def test_a_delta_is_written_as_it_comes() -> None:
    text = TailText(colour=False)
    assert text.event(sent("agent.message", {"content": "a"})) == f"{CLOCK} agent.message  a"
    assert text.event(sent("agent.message", {"content": "b"})) == "b"
    assert text.end_line() == "\n"
    assert text.end_line() == ""


@pytest.mark.parametrize("enveloped", [True, False])
def test_a_gap_is_a_warning(enveloped: bool) -> None:
    data: Json = {"from": 3, "to": 9, "reason": "retention"}
    gap = sent("gap", data) if enveloped else httpx2.ServerSentEvent(event="gap", data=json.dumps(data))
    assert written(sent("agent.message", {"content": "a"}), gap).endswith(
        "a\nwarning: events 3 to 9 are lost (retention)\n"
    )


def test_control_characters_do_not_reach_the_terminal() -> None:
    told = written(sent("agent.message", {"content": "a\x1b[2J\x9b\tb"}), sent("output", "\x1b]0;x\x07\r\nnext"))
    assert not set(told) & {"\x1b", "\x9b", "\x07", "\r"}
    assert "a\N{REPLACEMENT CHARACTER}[2J" in told
    assert told.count("\n") == 2


def test_colour_only_where_it_is_wanted() -> None:
    event = sent("task.failed", {"cause": "x"})
    assert "\x1b[31mtask.failed" in written(event, colour=True)
    assert "\x1b" not in written(event)


def test_what_is_not_of_the_usual_form_is_shown_as_it_is() -> None:
    assert written(httpx2.ServerSentEvent(event="odd", data="not json")).endswith(" odd  not json\n")
    assert written(sent("agent.message", {"content": 5})).endswith(" agent.message  5\n")
