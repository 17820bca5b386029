"""`/api/v1/tasks`: start, read, steer and cancel runs of agents."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from actors.commands import (
    AnswerToolCall,
    AppendTurn,
    CancelTask,
    ConfirmStep,
    CreateTask,
    Receipt,
    TaskError,
    TaskQuery,
    TaskState,
    TaskView,
)
from actors.router import Router
from transport.dialects.tool_answer import ToolAnswer
from transport.http.bodies import fields_of
from transport.http.paging import PageLimit
from transport.http.route import Answer, AnyRoute, Call, Nothing, Route

_TAG = "tasks"


class TaskJson(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it stands. Times are Unix milliseconds; `position` is before its first event: resume there for all."""

    id: str
    agent: str
    prompt: str
    state: TaskState
    user_id: str
    session_id: str | None
    batch_id: str | None
    created_at: int
    started_at: int | None
    ended_at: int | None
    turns: int
    result: str | None
    data: Any
    error: TaskError | None
    claimed_by: str | None
    position: str

    @classmethod
    def of(cls, view: TaskView) -> TaskJson:
        return cls(**fields_of(view))


class NewTask(msgspec.Struct, frozen=True, kw_only=True):
    """A run of an agent. With a `session_id` it reads and extends that conversation, after what waits there already."""

    agent: str
    prompt: str
    session_id: str | None = None
    context: dict[str, Any] = {}

    def command(self) -> CreateTask:
        return CreateTask(agent=self.agent, prompt=self.prompt, session_id=self.session_id, context=self.context)


class TaskFilter(msgspec.Struct, frozen=True, kw_only=True):
    state: TaskState | None = None
    session_id: str | None = None
    after: Annotated[str | None, Meta(description="The `next` of the page before.")] = None
    limit: PageLimit = 50


class TaskList(msgspec.Struct, frozen=True):
    """Newest first. `next` is the `after` of the following page, null on the last."""

    tasks: list[TaskJson]
    next: str | None


class TaskReceipt(msgspec.Struct, frozen=True):
    """The command was taken. `position` is the task's last event so far.

    `cancel_requested` asks an agent that runs elsewhere to stop and to post `task.cancelled`.
    """

    task: TaskJson
    position: str
    cancel_requested: bool

    @classmethod
    def of(cls, receipt: Receipt) -> TaskReceipt:
        return cls(TaskJson.of(receipt.task), str(receipt.position), receipt.cancel_requested)


class NewTurn(msgspec.Struct, frozen=True):
    prompt: str


class TurnReceipt(msgspec.Struct, frozen=True):
    """`turn` is the number that the appended turn will have."""

    task: TaskJson
    position: str
    turn: int | None


class Confirmation(msgspec.Struct, frozen=True):
    """An answer to a `step.confirm`. The first one counts."""

    step_id: str
    approved: bool


class ClientToolResult(ToolAnswer, frozen=True, kw_only=True):
    """What came of an `agent.client_tool_call`: its `result`, or an `error`. The first one counts."""

    call_id: str


class TasksApi:
    def __init__(self, router: Router) -> None:
        self._router = router

    async def create(self, call: Call[NewTask, Nothing]) -> Answer[TaskJson]:
        view = await self._router.create_task(call.principal, call.body.command())
        return Answer(TaskJson.of(view), location=f"/api/v1/tasks/{view.id}")

    async def page(self, call: Call[Nothing, TaskFilter]) -> Answer[TaskList]:
        wanted = call.query
        query = TaskQuery(wanted.state, wanted.session_id, wanted.after, wanted.limit)
        page = self._router.tasks.page(call.principal, query)
        return Answer(TaskList([TaskJson.of(view) for view in page.tasks], page.next))

    async def read(self, call: Call[Nothing, Nothing]) -> Answer[TaskJson]:
        return Answer(TaskJson.of(self._router.tasks.find(call.principal, call.path["task_id"]).view()))

    async def cancel(self, call: Call[Nothing, Nothing]) -> Answer[TaskReceipt]:
        receipt = await self._router.command_task(call.principal, CancelTask(call.path["task_id"]))
        return Answer(TaskReceipt.of(receipt), status=200 if receipt.task.state.is_terminal else 202)

    async def append_turn(self, call: Call[NewTurn, Nothing]) -> Answer[TurnReceipt]:
        command = AppendTurn(call.path["task_id"], call.body.prompt)
        receipt = await self._router.command_task(call.principal, command)
        return Answer(TurnReceipt(TaskJson.of(receipt.task), str(receipt.position), receipt.turn))

    async def confirm(self, call: Call[Confirmation, Nothing]) -> Answer[TaskReceipt]:
        command = ConfirmStep(call.path["task_id"], call.body.step_id, call.body.approved)
        return Answer(TaskReceipt.of(await self._router.command_task(call.principal, command)))

    async def tool_result(self, call: Call[ClientToolResult, Nothing]) -> Answer[TaskReceipt]:
        command = AnswerToolCall(call.path["task_id"], call.body.call_id, call.body.answer)
        return Answer(TaskReceipt.of(await self._router.command_task(call.principal, command)))

    def routes(self) -> list[AnyRoute]:
        one = "/api/v1/tasks/{task_id}"
        return [
            Route(
                method="POST",
                path="/api/v1/tasks",
                handler=self.create,
                tag=_TAG,
                summary="Start a task",
                body=NewTask,
                example={"agent": "offline", "prompt": "What is 6*7? Then count to 5."},
                query=Nothing,
                answer=TaskJson,
                status=201,
                errors=(404, 503),
            ),
            Route(
                method="GET",
                path="/api/v1/tasks",
                handler=self.page,
                tag=_TAG,
                summary="List tasks",
                body=Nothing,
                query=TaskFilter,
                answer=TaskList,
            ),
            Route(
                method="GET",
                path=one,
                handler=self.read,
                tag=_TAG,
                summary="Read a task",
                body=Nothing,
                query=Nothing,
                answer=TaskJson,
                errors=(404,),
            ),
            Route(
                method="POST",
                path=f"{one}/cancel",
                handler=self.cancel,
                tag=_TAG,
                summary="Cancel a task; idempotent",
                body=Nothing,
                query=Nothing,
                answer=TaskReceipt,
                other_status={202: "Asked to stop: `task.cancelled` follows once it has."},
                errors=(404, 503),
            ),
            Route(
                method="POST",
                path=f"{one}/turns",
                handler=self.append_turn,
                tag=_TAG,
                summary="Append a turn to a task's conversation",
                body=NewTurn,
                example={"prompt": "And what is 40+2?"},
                query=Nothing,
                answer=TurnReceipt,
                status=202,
                errors=(404, 409, 503),
            ),
            Route(
                method="POST",
                path=f"{one}/confirm",
                handler=self.confirm,
                tag=_TAG,
                summary="Answer a step that waits for a confirmation",
                body=Confirmation,
                example={"step_id": "turn-1-step-0", "approved": True},
                query=Nothing,
                answer=TaskReceipt,
                errors=(404, 409, 503),
            ),
            Route(
                method="POST",
                path=f"{one}/tool-results",
                handler=self.tool_result,
                tag=_TAG,
                summary="Answer a tool call that a client is to carry out",
                body=ClientToolResult,
                example={"call_id": "call-1", "result": {"text": "what is on the clipboard"}},
                query=Nothing,
                answer=TaskReceipt,
                errors=(404, 409, 413, 503),
            ),
        ]
