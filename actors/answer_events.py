"""A task's answer as it grows: its pieces on the task's topic, and what the session hears of it."""

from __future__ import annotations

import msgspec

from actors.event import Draft, Json, draft

ANSWER_TYPE = "agent.message"
"""Events of this type carry pieces of the answer."""


def session_prompt(task_id: str, turn: int, prompt: str) -> Draft:
    """What a task is asked, as an event of its session, ahead of the pieces of the answer."""
    return draft("input", {"exec_id": task_id, "turn": turn, "content": prompt})


def session_echo(emitted: Draft, text: str, task_id: str) -> Draft:
    """A piece of an answer as an event of its session."""
    body = msgspec.json.encode({"exec_id": task_id, "content": text})
    return msgspec.structs.replace(emitted, event_type="output", body=body)


def streamed_text(data: Json) -> str:
    """The piece of the answer in the data of an event of ANSWER_TYPE; empty where there is none."""
    content = data.get("content") if isinstance(data, dict) else None
    return content if isinstance(content, str) else ""
