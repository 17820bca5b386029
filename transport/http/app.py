"""The Quart-Trio application of the gateway's HTTP side, put together from its services."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import trio
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import UnsupportedMediaType

from actors.errors import CallboardError, ErrorCode
from transport.http.agents import AgentsApi
from transport.http.batches import BatchesApi
from transport.http.bodies import as_json, decode_body, decode_query
from transport.http.channels import ChannelsApi
from transport.http.claims import ClaimsApi
from transport.http.errors import ErrorAnswers
from transport.http.event_stream import EventStreams
from transport.http.identity import Gate, Rates
from transport.http.openapi import openapi_document
from transport.http.operations import OperationsApi, add_probes
from transport.http.origins import Origins
from transport.http.pages import add_pages
from transport.http.pipelines import PipelinesApi
from transport.http.route import Answer, AnyRoute, Call, Nothing
from transport.http.services import HttpServices
from transport.http.sessions import SessionsApi
from transport.http.steps import StepsApi
from transport.http.tasks import TasksApi
from transport.http.tickets import TicketsApi
from transport.http.uploads import UploadsApi
from transport.http.wallet import WalletApi
from transport.http.websocket_statistics import WebSocketStatisticsApi


def create_app(services: HttpServices) -> QuartTrio:
    """The application, ready to be served. Reads the documentation's few static files and nothing else."""
    options = services.options
    app = QuartTrio(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = options.body_bytes
    # Its own deadline has no words of ours: see `_read_body`.
    app.config["BODY_TIMEOUT"] = None
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    Origins(options.cors_origins, loopback_only=options.loopback_only).guard(app)
    rates = Rates(options.requests_per_second, options.requests_burst, options.users)
    gate = Gate(services.verifier, services.tickets, rates, auth_required=options.auth_required)
    streams = EventStreams(services.router, services.connections, options)
    routes = [*api_routes(services, streams), *WalletApi(services, rates).routes()]
    if services.steps is not None:
        routes += StepsApi(services.steps, streams, rates).routes()
    read_body = partial(_read_body, options.body_seconds)
    for route in routes:
        rule = route.path.replace("{", "<").replace("}", ">")
        app.add_url_rule(rule, _endpoint(route), _view(route, gate, read_body), methods=[route.method])
    forms = {_endpoint(route): route.refusal for route in routes if route.refusal is not None}
    ErrorAnswers(forms).guard(app)
    add_probes(app, services)
    add_pages(app, openapi_document(routes, version=options.version, auth_required=options.auth_required))
    return app


def api_routes(services: HttpServices, streams: EventStreams) -> list[AnyRoute]:
    """Every row of the API."""
    router = services.router
    return [
        *TasksApi(router).routes(),
        *ClaimsApi(router).routes(),
        *SessionsApi(router).routes(),
        *BatchesApi(router).routes(),
        *ChannelsApi(router, streams).routes(),
        *TicketsApi(services.tickets).routes(),
        *AgentsApi(router, services.toolbox).routes(),
        *OperationsApi(services).routes(),
        *WebSocketStatisticsApi(services.agent_roster).routes(),
        *PipelinesApi(services.pipelines).routes(),
        *UploadsApi(services.pipelines).routes(),
    ]


def _view(route: AnyRoute, gate: Gate, read_body: Callable[[], Awaitable[bytes]]) -> Callable[..., Awaitable[Response]]:
    admit = route.admit or gate.admit

    async def view(**path: str) -> Response:
        principal = await admit(request.method, request.headers, request.args)
        query = decode_query(request.args, route.query)
        raw = await read_body() if route.takes_bytes or route.body is not Nothing else b""
        body = decode_body(b"" if route.takes_bytes else raw, route.body)
        answered = await route.handler(Call(principal, request.method, path, request.headers, body, query, raw))
        return answered if isinstance(answered, Response) else _response(route, answered)

    return view


def _endpoint(route: AnyRoute) -> str:
    """Quart's name for the route."""
    return f"{route.method} {route.path}".replace(".", "_")


async def _read_body(seconds: float) -> bytes:
    """Raises CallboardError TIMEOUT where it is not all there in time."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedMediaType(f"a body in the encoding {encoding!r} is not read")
    with trio.move_on_after(seconds):
        return await request.get_data(cache=False, as_text=False, parse_form_data=False)
    raise CallboardError(ErrorCode.TIMEOUT, f"the body did not arrive within {seconds:g} s (timeouts.body_seconds)")


def _response(route: AnyRoute, answer: Answer[object]) -> Response:
    response = Response(as_json(answer.value), answer.status or route.status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    if answer.location is not None:
        response.headers["Location"] = answer.location
    return response
