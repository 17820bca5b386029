"""The answer to one query, for the one who asked: from its task's events to the dialect's frames. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

from actors.event import Event, Json
from transport.dialects.agent import Echo, Query, Request
from transport.dialects.agent_replies import failed, frame


class Answer:
    """Follows the task's events in their order, up to the last frame of the request."""

    def __init__(self, request: Request, query: Query, *, task_id: str, session_id: str, vendor: str) -> None:
        self.ended = False
        """Nothing more is said about the request."""
        self.given_up = False
        """The task goes on, and nothing more is said of it."""
        self._request = request
        self._streaming = query.streaming
        self._vendor = vendor
        self._echo: Echo = (*request.echo, ("task_id", task_id), ("session_id", session_id))
        self._pieces: list[str] = []

    def opening(self) -> bytes:
        if self._streaming:
            return frame(self._echo, "stream_start", vendor=self._vendor)
        return frame(self._echo, "status", status="processing")

    def frames(self, event: Event) -> Iterator[bytes]:
        """What the event comes to for the client; most come to nothing."""
        data = event.data
        match event.event_type, data:
            case "agent.message", {"content": str(content)} if content:
                self._pieces.append(content)
                if self._streaming:
                    yield self._chunk(content)
            case "step.confirm", {"step_id": str(step_id), "reason": str(reason)}:
                yield frame(self._echo, "status", status="waiting_confirmation", step_id=step_id, reason=reason)
            case "agent.client_tool_call", {"call_id": str(call_id), "name": str(name), "arguments": arguments}:
                asked: dict[str, Json] = {"call_id": call_id, "name": name, "arguments": arguments}
                yield frame(self._echo, "status", status="waiting_client_tool", **asked)
            case "task.completed", dict():
                self.ended = True
                yield from self._completed(data.get("result"))
            case "task.failed", dict():
                self.ended = True
                yield self._failed(str(data.get("error")))
            case "task.cancelled", _:
                self.ended = True
                yield frame(self._echo, "cancelled")
            case "gap", {"from": int(), "to": int(), "reason": str()} if self._streaming:
                self.ended = self.given_up = True
                yield self._failed("pieces of the answer were dropped before this client took them")
            case _:
                pass

    def _completed(self, result: Json) -> Iterator[bytes]:
        streamed, whole = "".join(self._pieces), result if isinstance(result, str) else ""
        if not self._streaming:
            yield frame(self._echo, "agent_response", content=whole or streamed, vendor=self._vendor)
            return
        # An agent may say all of its answer, or the rest of it, only with its result.
        rest = whole[len(streamed) :] if whole.startswith(streamed) else ""
        if rest or not streamed:
            yield self._chunk(rest)
        yield frame(self._echo, "stream_end")

    def _chunk(self, content: str) -> bytes:
        return frame(self._echo, "stream_chunk", content=content)

    def _failed(self, message: str) -> bytes:
        return failed(Request(self._echo, self._request.command), message)
