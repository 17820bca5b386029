"""The OpenAPI 3.1 document, made of the rows of the API and the structs that they name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from transport.http.errors import ErrorBody
from transport.http.route import AnyRoute, Nothing

_REF = "#/components/schemas/{name}"
_COMMON_ERRORS = (400, 401, 429)
_PATH_MEANINGS = {
    "task_id": "A task's `id`.",
    "session_id": "A session's `id`.",
    "batch_id": "A batch's `id`.",
    "conversation_id": "A conversation's `id`.",
    "pipeline_uuid": "A pipeline's uuid.",
    "upload_key": "The key in an upload's `url`.",
    "session_type": "`person` or `group`.",
    "channel": "`task`, `session`, `system`, `app` or `agent`.",
    "topic": "The id of a task or session, the name of an agent, or a name of yours on `app`.",
}
_ERROR_MEANINGS = {
    400: "The request is malformed; the message names the member.",
    401: "No credential, or a bad one.",
    403: "The credential does not allow it.",
    404: "Not there, or somebody else's.",
    409: "It contradicts what has happened already.",
    413: "The body is too large.",
    429: "Too many requests: wait for `Retry-After` seconds.",
    503: "The engine is busy: wait for `Retry-After` seconds.",
}
_DESCRIPTION = """\
Run agents, watch them, steer them, lose nothing.

A *position* is written `<epoch>:<offset>`. It is the same on every transport: `since` here, `id:` and `Last-Event-ID`
of an event stream, `{"epoch", "offset"}` on the WebSocket at `/api/v1/gateway/ws`.

A request shows who it is from by `Authorization: Bearer`, `?access_token=`, or, for reading, a short-lived `?ticket=`.
Beside the API there are `/healthz`, `/readyz` and `/metrics`.
"""
_WALLET = """\
A public key: 32 bytes in base58, or `?publicKey=`. Where signatures are required also `X-Solana-Nonce`, an expiry in
Unix milliseconds, and `X-Solana-Signature`, the key's over the nonce's digits in base64 (`?nonce=`, `?signature=`). A
nonce is good once. A key alone proves nothing."""


def openapi_document(routes: Sequence[AnyRoute], *, version: str, auth_required: bool) -> dict[str, Any]:
    schemas = _Schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    security: list[dict[str, list[str]]] = [{"bearer": []}, {"access_token": []}, {"ticket": []}]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Callboard", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": security if auth_required else [{}, *security],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key `ab_…` or a JWT."},
                "access_token": {"type": "apiKey", "in": "query", "name": "access_token"},
                "ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description": "For reading only."},
                "wallet": {"type": "apiKey", "in": "header", "name": "X-Solana-PublicKey", "description": _WALLET},
            },
        },
    }


class _Schemas:
    """The JSON Schemas of all the types that the routes name."""

    def __init__(self, routes: Sequence[AnyRoute]) -> None:
        kinds = dict.fromkeys(kind for route in routes for kind in (route.body, route.answer, route.query))
        kinds.update(dict.fromkeys(route.refusal for route in routes if route.refusal is not None))
        kinds[ErrorBody] = None
        schemas, components = msgspec.json.schema_components(list(kinds), ref_template=_REF)
        self._by_kind = dict(zip(kinds, schemas, strict=True))
        queries = {route.query.__name__ for route in routes}
        self._queries = {name: components[name] for name in queries}
        self.components = {name: components[name] for name in sorted(components) if name not in queries}

    def of(self, kind: type) -> dict[str, Any]:
        return self._by_kind[kind]

    def query(self, kind: type) -> dict[str, Any]:
        schema: dict[str, Any] = self._queries[kind.__name__]
        return schema


def _operation(route: AnyRoute, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [route.tag],
        "summary": route.summary,
        "operationId": _operation_id(route),
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, schemas),
    }
    if route.security is not None:
        operation["security"] = list(route.security)
    if route.body is not Nothing:
        content = {"application/json": {"schema": schemas.of(route.body), "example": route.example}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.takes_bytes:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _operation_id(route: AnyRoute) -> str:
    words = re.findall(r"[a-z_]+", route.path.removeprefix("/api/v1/"))
    return "_".join([route.method.lower(), *words])


def _parameters(route: AnyRoute, schemas: _Schemas) -> list[dict[str, Any]]:
    in_path = [
        _parameter(name, "path", {"type": "string"}, _PATH_MEANINGS[name])
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    query = schemas.query(route.query)
    in_query = [
        _parameter(name, "query", {k: v for k, v in schema.items() if k != "description"}, schema.get("description"))
        for name, schema in query["properties"].items()
    ]
    in_headers = [_parameter(name, "header", {"type": "string"}, text) for name, text in route.headers.items()]
    return [*in_path, *in_query, *in_headers]


def _parameter(name: str, place: str, schema: dict[str, Any], meaning: str | None) -> dict[str, Any]:
    described = {} if meaning is None else {"description": meaning}
    return {"name": name, "in": place, "required": place == "path", "schema": schema, **described}


def _responses(route: AnyRoute, schemas: _Schemas) -> dict[str, Any]:
    content = {route.content: {"schema": schemas.of(route.answer)}}
    good = {route.status: HTTPStatus(route.status).phrase, **route.other_status}
    bad = {*_COMMON_ERRORS, *route.errors, *(() if route.body is Nothing else (413,))}
    error = {"application/json": {"schema": schemas.of(route.refusal or ErrorBody)}}
    return {
        **{str(status): {"description": text, "content": content} for status, text in good.items()},
        **{str(status): {"description": _ERROR_MEANINGS[status], "content": error} for status in sorted(bad)},
    }
