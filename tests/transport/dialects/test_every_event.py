"""Whatever is said reaches a client of each dialect in a form that it reads, or is left out by that dialect's rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given

from actors.event import Event
from callboard_client import Event as ClientEvent
from callboard_client import Gap, read_task_event
from callboard_client.frames import decode
from tests.transport.dialects import wire_forms
from tests.transport.dialects.every_event import TASK, WELL_FORMED, Said, frames_of, logged, said_events, text_of

pytestmark = pytest.mark.time_limit(600)  # what the profile `thorough` takes


def read_gateway(text: bytes) -> Any:
    pushed = decode(text)
    assert isinstance(pushed, ClientEvent | Gap)
    return read_task_event(pushed)


def read_agent(text: bytes) -> Any:
    return msgspec.json.decode(text, type=wire_forms.AgentFrame)


def read_steps(text: bytes) -> Any:
    frame = msgspec.json.decode(text, type=wire_forms.StepsFrame)
    return msgspec.convert(frame.data, wire_forms.STEPS_DATA[frame.type])


def read_pipeline(text: bytes) -> Any:
    return msgspec.json.decode(text, type=wire_forms.PipelineFrame)


def read_wallet(text: bytes) -> Any:
    return msgspec.json.decode(text, type=wire_forms.WalletFrame)


READERS: dict[str, Callable[[bytes], Any]] = {
    "gateway": read_gateway,
    "agent": read_agent,
    "steps": read_steps,
    "pipeline": read_pipeline,
    "wallet": read_wallet,
}


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


@pytest.mark.parametrize("dialect", READERS)
@given(said=said_events)
def test_every_frame_is_read_by_a_client(dialect: str, said: list[Said]) -> None:
    for frame in frames_of(dialect, logged(said)):
        text = text_of(frame)
        READERS[dialect](text)
        # Another reader of JSON, as strict as a browser's.
        json.loads(text.decode(), parse_constant=refuse_constant)


@pytest.mark.parametrize("dialect", ["gateway", "agent"])
@given(said=said_events)
def test_where_a_client_asks_for_topics_nothing_is_left_out(dialect: str, said: list[Said]) -> None:
    assert len(frames_of(dialect, logged(said))) == len(said)


@given(said=said_events)
def test_the_gateways_client_has_each_event_as_it_was_logged(said: list[Said]) -> None:
    events: list[Event] = logged(said)
    for event, frame in zip(events, frames_of("gateway", events), strict=True):
        got = decode(text_of(frame))
        assert isinstance(got, ClientEvent | Gap)
        assert (got.channel, got.topic, str(got.position)) == (event.key.channel, event.key.topic, f"e1:{event.offset}")
        if isinstance(got, ClientEvent):
            assert (got.event_type, got.data) == (event.event_type, event.data)


FORMS = {
    "agent": {
        *("stream_start", "stream_chunk", "stream_end", "cancelled", "error", "event", "gap", "message"),
        *("broadcast", "room_message", "room_member_joined", "room_member_left"),
    },
    "steps": {
        *("status", "plan:created", "plan:updated", "step:start", "step:progress", "step:complete", "step:error"),
        *("waiting:confirmation", "waiting:tool", "tool:answered", "task:complete", "task:error", "gap"),
    },
    "pipeline": {"user_message", "response", "broadcast", "recalled", "read", "reset"},
    "wallet": {"new_message", "task_update"},
}


@pytest.mark.parametrize("dialect", FORMS)
def test_every_form_is_among_what_is_tried(dialect: str) -> None:
    """So that the tests above cannot pass for want of frames."""
    seen: set[str] = set()
    endings = [said for said in WELL_FORMED if said[1] in ("task.completed", "task.failed", "task.cancelled")]
    for ending in endings:
        said = [each for each in WELL_FORMED if each not in endings and each[:2] != (TASK, "gap")] + [ending]
        seen |= {json.loads(text_of(frame))["type"] for frame in frames_of(dialect, logged(said))}
    gaps = [said for said in WELL_FORMED if said[:2] == (TASK, "gap")]
    for said in (WELL_FORMED, gaps):
        seen |= {json.loads(text_of(frame))["type"] for frame in frames_of(dialect, logged(said))}
    assert seen == FORMS[dialect]
