"""`/api/tasks`: a wallet's tasks, read and steered over HTTP."""

from __future__ import annotations

from typing import Annotated

import msgspec
import trio
from msgspec import Meta

from actors.commands import AnswerToolCall, AppendTurn, CancelTask, ConfirmStep, TaskQuery, TaskState, TaskView
from actors.errors import CallboardError, ErrorCode
from actors.principal import Principal
from actors.questions import Kind
from actors.router import Router
from transport.dialects.wallet_fold import TaskFold
from transport.dialects.wallet_task import State, Status, WalletTask, iso
from transport.http.paging import PageLimit
from transport.http.route import Answer, AnyRoute, Call, Nothing, Route
from transport.http.tasks import ClientToolResult
from transport.http.wallet_bodies import (
    Confirmed,
    ListedTask,
    MessageAccepted,
    NewMessage,
    TaskListOfWallet,
    TaskOfWallet,
)

_TAG = "wallet"
_AT_ONCE = 1_000
_READ_BYTES = 1024 * 1024


class WalletTaskFilter(msgspec.Struct, frozen=True, kw_only=True):
    state: State | None = None
    conversation_id: str | None = None
    after: Annotated[str | None, Meta(description="The `next` of the page before.")] = None
    limit: PageLimit = 50


class WalletTasksApi:
    def __init__(self, router: Router) -> None:
        self._router = router

    async def page(self, call: Call[Nothing, WalletTaskFilter]) -> Answer[TaskListOfWallet]:
        wanted = call.query
        if wanted.state == "unknown":
            # One that is only heard of is unknown; of these here all is known.
            return Answer(TaskListOfWallet([], None))
        state = None if wanted.state is None else _ASKED[wanted.state]
        query = TaskQuery(state, wanted.conversation_id, wanted.after, wanted.limit)
        page = self._router.tasks.page(call.principal, query)
        return Answer(TaskListOfWallet([_listed(view) for view in page.tasks], page.next))

    async def read(self, call: Call[Nothing, Nothing]) -> Answer[TaskOfWallet]:
        return Answer(await self._whole(call.principal, call.path["task_id"]))

    async def cancel(self, call: Call[Nothing, Nothing]) -> Answer[TaskOfWallet]:
        task_id = call.path["task_id"]
        await self._router.command_task(call.principal, CancelTask(task_id))
        return Answer(await self._whole(call.principal, task_id))

    async def confirm(self, call: Call[Confirmed, Nothing]) -> Answer[TaskOfWallet]:
        task_id, body = call.path["task_id"], call.body
        step_id = body.step_id or self._only_question(call.principal, task_id)
        await self._router.command_task(call.principal, ConfirmStep(task_id, step_id, body.approved))
        return Answer(await self._whole(call.principal, task_id))

    async def tool_result(self, call: Call[ClientToolResult, Nothing]) -> Answer[TaskOfWallet]:
        task_id = call.path["task_id"]
        await self._router.command_task(call.principal, AnswerToolCall(task_id, call.body.call_id, call.body.answer))
        return Answer(await self._whole(call.principal, task_id))

    async def send(self, call: Call[NewMessage, Nothing]) -> Answer[MessageAccepted]:
        command = AppendTurn(call.path["task_id"], call.body.said())
        receipt = await self._router.command_task(call.principal, command)
        return Answer(MessageAccepted(receipt.task.session_id or "", receipt.task.id))

    def _only_question(self, principal: Principal, task_id: str) -> str:
        waiting = self._router.tasks.find(principal, task_id).record.questions.waiting(Kind.STEP)
        if len(waiting) != 1:
            message = f"{len(waiting)} steps of task {task_id} wait for a confirmation: name one by `step_id`"
            raise CallboardError(ErrorCode.CONFLICT, message)
        return waiting[0]

    async def _whole(self, principal: Principal, task_id: str) -> TaskOfWallet:
        """The task as its events tell it. How it stands is the view's to say: events may be kept no longer."""
        task = self._router.tasks.find(principal, task_id)
        log = self._router.log(task.key)
        fold = TaskFold(task_id, task.record.created_at)
        for question in self._router.open_questions(task.key):
            if question.offset < log.first:
                fold.apply(question)
        offset = 0
        while offset < log.tail:
            events = await log.page(offset, max_events=_AT_ONCE, max_bytes=_READ_BYTES)
            for event in events:
                fold.apply(event)
            # Without any the retention has gone ahead of the reader.
            offset = events[-1].offset if events else log.first - 1
            await trio.lowlevel.checkpoint()
        return _stands(fold.snapshot(), task.view())

    def routes(self) -> list[AnyRoute]:
        one = "/api/tasks/{task_id}"
        return [
            Route(
                method="GET",
                path="/api/tasks",
                handler=self.page,
                tag=_TAG,
                summary="List the wallet's tasks",
                body=Nothing,
                query=WalletTaskFilter,
                answer=TaskListOfWallet,
            ),
            Route(
                method="GET",
                path=one,
                handler=self.read,
                tag=_TAG,
                summary="Read a task of the wallet",
                body=Nothing,
                query=Nothing,
                answer=TaskOfWallet,
                errors=(404,),
            ),
            Route(
                method="POST",
                path=f"{one}/cancel",
                handler=self.cancel,
                tag=_TAG,
                summary="Cancel a task of the wallet; idempotent",
                body=Nothing,
                query=Nothing,
                answer=TaskOfWallet,
                errors=(404, 503),
            ),
            Route(
                method="POST",
                path=f"{one}/confirm",
                handler=self.confirm,
                tag=_TAG,
                summary="Answer a step of the wallet's task that waits for a confirmation",
                body=Confirmed,
                example={"step_id": "turn-1-step-0", "approved": True},
                query=Nothing,
                answer=TaskOfWallet,
                errors=(404, 409, 503),
            ),
            Route(
                method="POST",
                path=f"{one}/tool-results",
                handler=self.tool_result,
                tag=_TAG,
                summary="Answer a tool call that one of the wallet's clients is to carry out",
                body=ClientToolResult,
                example={"call_id": "call-1", "result": {"signature": "5J7…"}},
                query=Nothing,
                answer=TaskOfWallet,
                errors=(404, 409, 413, 503),
            ),
            Route(
                method="POST",
                path=f"{one}/messages",
                handler=self.send,
                tag=_TAG,
                summary="Say something to a task that waits for it, or after what it does now",
                body=NewMessage,
                example={"content": "And what is 40+2?"},
                query=Nothing,
                answer=MessageAccepted,
                status=202,
                errors=(404, 409, 503),
            ),
        ]


def _listed(view: TaskView) -> ListedTask:
    changed = view.ended_at or view.started_at or view.created_at
    message = view.error.message if view.error is not None else view.result or ""
    return ListedTask(
        id=view.id,
        conversation_id=view.session_id or "",
        created_at=iso(view.created_at),
        status=Status(_STATES[view.state], message, iso(changed)),
    )


def _stands(task: WalletTask, view: TaskView) -> TaskOfWallet:
    session_id = view.session_id or ""
    status = msgspec.structs.replace(task.status, state=_STATES[view.state])
    return TaskOfWallet(session_id, msgspec.structs.replace(task, session_id=session_id, status=status))


_STATES: dict[TaskState, State] = {
    TaskState.QUEUED: "submitted",
    TaskState.RUNNING: "working",
    TaskState.WAITING: "input-required",
    TaskState.CANCELLING: "working",
    TaskState.COMPLETED: "completed",
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "canceled",
}
_ASKED: dict[State, TaskState] = {state: own for own, state in _STATES.items() if own is not TaskState.CANCELLING}
"""A task that is being cancelled is listed, but not found as one that works: it soon does no more."""
