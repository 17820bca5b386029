"""`/api/v1/tasks/{task_id}/claim` and `/events`: how an agent that runs elsewhere takes a task and works it off."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from actors.agent import Message
from actors.commands import ClaimTask, PostEvents
from actors.event import Draft
from actors.router import Router
from transport.http.idempotency_header import IDEMPOTENCY_HEADER, IDEMPOTENCY_HEADER_MEANING, idempotency_key
from transport.http.posted_events import PostedEvent, posted_draft
from transport.http.route import Answer, AnyRoute, Call, Nothing, Route
from transport.http.tasks import TaskJson, TaskReceipt

_TAG = "agents elsewhere"


class Claim(msgspec.Struct, frozen=True):
    """The task is yours until `lease_seconds` after your last post. `history` is the conversation before it."""

    task: TaskJson
    position: str
    cancel_requested: bool
    lease_seconds: float | None
    prompt: str
    context: dict[str, Any]
    history: tuple[Message, ...]


class EventsPost(msgspec.Struct, frozen=True, kw_only=True):
    """Either `events`, in order, or the `event_type` and `data` of one. An event that ends the task comes last."""

    events: list[PostedEvent] | UnsetType = UNSET
    event_type: str | UnsetType = UNSET
    data: Any = UNSET
    idempotency_key: str | None = None

    def drafts(self) -> tuple[Draft, ...]:
        """Raises CallboardError INVALID_PAYLOAD for a bad type name."""
        if self.events is not UNSET:
            return tuple(posted_draft(one.event_type, one.data) for one in self.events)
        if self.event_type is UNSET or self.data is UNSET:
            # `__post_init__` has refused it.
            raise ValueError("no event")
        return (posted_draft(self.event_type, self.data),)

    def __post_init__(self) -> None:
        if self.events is not UNSET and (self.event_type is not UNSET or self.data is not UNSET):
            raise ValueError("Object has both `events` and an event of its own")
        if self.events is UNSET and self.event_type is UNSET:
            raise ValueError("Object missing required field `events`")
        if self.events is UNSET and self.data is UNSET:
            raise ValueError("Object missing required field `data`")


class ClaimsApi:
    def __init__(self, router: Router) -> None:
        self._router = router

    async def claim(self, call: Call[Nothing, Nothing]) -> Answer[Claim]:
        receipt = await self._router.command_task(call.principal, ClaimTask(call.path["task_id"]))
        claim = Claim(
            task=TaskJson.of(receipt.task),
            position=str(receipt.position),
            cancel_requested=receipt.cancel_requested,
            lease_seconds=receipt.lease_seconds,
            prompt=receipt.task.prompt,
            context=dict(receipt.context),
            history=receipt.history,
        )
        return Answer(claim)

    async def post_events(self, call: Call[EventsPost, Nothing]) -> Answer[TaskReceipt]:
        key = idempotency_key(call.headers, call.body.idempotency_key)
        command = PostEvents(call.path["task_id"], call.body.drafts(), key)
        return Answer(TaskReceipt.of(await self._router.command_task(call.principal, command)))

    def routes(self) -> list[AnyRoute]:
        return [
            Route(
                method="POST",
                path="/api/v1/tasks/{task_id}/claim",
                handler=self.claim,
                tag=_TAG,
                summary="Claim a task for an agent of yours, or renew the claim",
                body=Nothing,
                query=Nothing,
                answer=Claim,
                errors=(403, 404, 409, 503),
            ),
            Route(
                method="POST",
                path="/api/v1/tasks/{task_id}/events",
                handler=self.post_events,
                tag=_TAG,
                summary="Post events of a claimed task; renews the claim",
                body=EventsPost,
                example={
                    "events": [
                        {"event_type": "agent.message", "data": {"content": "Found it."}},
                        {"event_type": "task.completed", "data": {"result": "Found it."}},
                    ]
                },
                query=Nothing,
                answer=TaskReceipt,
                errors=(403, 404, 409, 503),
                headers={IDEMPOTENCY_HEADER: IDEMPOTENCY_HEADER_MEANING},
            ),
        ]
