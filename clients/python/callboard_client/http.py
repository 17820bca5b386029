"""What the gateway's WebSocket has no request for, over HTTP."""

from __future__ import annotations

import ssl
from http import HTTPStatus

import httpx2
import msgspec

from callboard_client.errors import AuthenticationFailed, NotUnderstood, RequestRefused, Unreachable


class _Session(msgspec.Struct, frozen=True):
    id: str


class _Error(msgspec.Struct, frozen=True):
    code: str
    message: str


class _ErrorBody(msgspec.Struct, frozen=True):
    error: _Error


async def create_session(
    base_url: str, token: str | None, tls: ssl.SSLContext | None, *, title: str, agent: str
) -> str:
    """Opens a conversation and returns its id. Raises Unreachable, AuthenticationFailed, RequestRefused."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(headers=headers, verify=tls or True) as client:
        try:
            answer = await client.post(f"{base_url}/api/v1/sessions", json={"title": title, "agent": agent})
        except httpx2.TransportError as error:
            raise Unreachable(f"{base_url}: {error}") from error
    if not answer.is_success:
        raise _refusal(answer)
    try:
        return msgspec.json.decode(answer.content, type=_Session).id
    except msgspec.DecodeError as error:
        raise NotUnderstood(f"{base_url} did not answer as a Callboard server does") from error


def _refusal(answer: httpx2.Response) -> AuthenticationFailed | RequestRefused:
    try:
        error = msgspec.json.decode(answer.content, type=_ErrorBody).error
    except msgspec.DecodeError:
        return RequestRefused("", f"HTTP {answer.status_code}")
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return AuthenticationFailed(error.message)
    return RequestRefused(error.code, error.message)
