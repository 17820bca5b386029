"""`/api/v1/batches`: many tasks at once, accepted whole or not at all."""

from __future__ import annotations

import msgspec

from actors.commands import BatchView, CreateBatch
from actors.router import Router
from transport.http.route import Answer, AnyRoute, Call, Nothing, Route
from transport.http.tasks import NewTask

_TAG = "batches"


class NewBatch(msgspec.Struct, frozen=True):
    tasks: list[NewTask]


class BatchesApi:
    def __init__(self, router: Router) -> None:
        self._router = router

    async def create(self, call: Call[NewBatch, Nothing]) -> Answer[BatchView]:
        command = CreateBatch(tuple(task.command() for task in call.body.tasks))
        view = await self._router.create_batch(call.principal, command)
        return Answer(view, location=f"/api/v1/batches/{view.id}")

    async def read(self, call: Call[Nothing, Nothing]) -> Answer[BatchView]:
        return Answer(self._router.batches.find(call.principal, call.path["batch_id"]).view())

    def routes(self) -> list[AnyRoute]:
        return [
            Route(
                method="POST",
                path="/api/v1/batches",
                handler=self.create,
                tag=_TAG,
                summary="Start many tasks: all of them or none",
                body=NewBatch,
                example={"tasks": [{"agent": "offline", "prompt": "6*7"}, {"agent": "offline", "prompt": "40+2"}]},
                query=Nothing,
                answer=BatchView,
                status=201,
                errors=(404, 503),
            ),
            Route(
                method="GET",
                path="/api/v1/batches/{batch_id}",
                handler=self.read,
                tag=_TAG,
                summary="Read how far a batch is",
                body=Nothing,
                query=Nothing,
                answer=BatchView,
                errors=(404,),
            ),
        ]
