"""What whoever runs the engine asks of it: is it up, does it take work, how much is going on."""

from __future__ import annotations

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST
from quart import Quart, Response

from actors.channels import ChannelsStatistics
from actors.connections import ConnectionsStatistics
from actors.errors import CallboardError, ErrorCode
from actors.journal import JournalStatistics
from actors.tasks import TasksStatistics
from transport.http.bodies import as_json
from transport.http.metrics import Metrics
from transport.http.route import Answer, AnyRoute, Call, Nothing, Route
from transport.http.services import HttpServices, Readiness


class ListenerJson(msgspec.Struct, frozen=True, kw_only=True):
    """Totals since the start, but `open`, which is now."""

    accepted: int
    open: int
    refused: int
    accept_errors: int
    handshake_failures: int
    crashed: int
    bad_heads: dict[str, int]


class GatewayStats(msgspec.Struct, frozen=True, kw_only=True):
    """What goes on at the moment. Names that end in `_total` count from the start."""

    version: str
    readiness: Readiness
    connections: ConnectionsStatistics
    channels: ChannelsStatistics
    tasks: TasksStatistics
    sessions: int
    store: JournalStatistics | None
    """None where nothing outlives the process."""
    listener: ListenerJson


class OperationsApi:
    def __init__(self, services: HttpServices) -> None:
        self._services = services

    async def stats(self, call: Call[Nothing, Nothing]) -> Answer[GatewayStats]:
        if not call.principal.is_admin:
            raise CallboardError(ErrorCode.FORBIDDEN, "the statistics are for admins")
        services = self._services
        stats = GatewayStats(
            version=services.options.version,
            readiness=services.readiness(),
            connections=services.connections.statistics(),
            channels=services.router.channels.statistics(),
            tasks=services.router.tasks.statistics(),
            sessions=len(services.router.sessions),
            store=services.store(),
            listener=msgspec.convert(services.listener.statistics(), ListenerJson, from_attributes=True),
        )
        return Answer(stats)

    def routes(self) -> list[AnyRoute]:
        return [
            Route(
                method="GET",
                path="/api/v1/admin/gateway/stats",
                handler=self.stats,
                tag="operations",
                summary="Read the engine's figures (scope `admin`)",
                body=Nothing,
                query=Nothing,
                answer=GatewayStats,
                errors=(403,),
            )
        ]


def add_probes(app: Quart, services: HttpServices) -> None:
    """`/healthz`, `/readyz` and `/metrics`: without a credential, for the machines that look after this one."""
    metrics = Metrics(services)

    async def healthz() -> Response:
        return _status("ok")

    async def readyz() -> Response:
        readiness = services.readiness()
        if readiness is not Readiness.READY:
            raise CallboardError(ErrorCode.BUSY, f"the engine is {readiness}")
        store = services.store()
        if store is not None and store.failure is not None:
            raise CallboardError(ErrorCode.UNAVAILABLE, f"nothing can be kept at the moment: {store.failure}")
        return _status(readiness)

    async def scrape() -> Response:
        return Response(metrics.text(), content_type=CONTENT_TYPE_LATEST)

    app.add_url_rule("/healthz", view_func=healthz)
    app.add_url_rule("/readyz", view_func=readyz)
    app.add_url_rule("/metrics", view_func=scrape)


def _status(status: str) -> Response:
    response = Response(as_json({"status": status}), mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
