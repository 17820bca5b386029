"""`/api/v1/pipelines/…/ws/uploads`: files for the messages of a room, brought and fetched over HTTP."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import Meta
from quart import Response

from transport.dialects.pipeline import session_type_of
from transport.http.errors import CodedRefusal
from transport.http.route import Answer, AnyRoute, Call, Nothing, Route
from transport.media_type import is_shown
from transport.pipeline_files import address
from transport.pipeline_room import Room
from transport.pipelines import Pipelines

_TAG = "pipelines"
_BASE = "/api/v1/pipelines/{pipeline_uuid}/ws/uploads"


class UploadedFile(msgspec.Struct, frozen=True):
    """`url` goes into an element Image, Voice or File. `media_type` is what the bytes say."""

    url: str
    name: str
    size: int
    media_type: str


class UploadAnswer(msgspec.Struct, frozen=True, kw_only=True):
    code: int = 0
    msg: str = "ok"
    data: UploadedFile


class UploadWish(msgspec.Struct, frozen=True, kw_only=True):
    session_type: Annotated[str, Meta(description="`person` or `group`: whose room may fetch it.")] = "person"
    name: Annotated[str, Meta(max_length=255, description="Under which it is saved.")] = ""


class UploadsApi:
    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines

    async def bring(self, call: Call[Nothing, UploadWish]) -> Answer[UploadAnswer]:
        room = await self._room(call, call.query.session_type)
        upload = await self._pipelines.files.keep(room, call.query.name, call.raw)
        path = address(room, upload)
        told = UploadedFile(path, upload.name, len(upload.data), upload.media_type)
        return Answer(UploadAnswer(data=told), location=path)

    async def fetch(self, call: Call[Nothing, Nothing]) -> Response:
        """The bytes are a stranger's: no browser is to run them, or to take them for something else."""
        room = await self._room(call, call.path["session_type"])
        upload = await self._pipelines.files.find(room, call.path["upload_key"])
        response = Response(upload.data, mimetype=upload.media_type)
        disposition = "inline" if is_shown(upload.media_type) else "attachment"
        named = f"; filename*=UTF-8''{quote(upload.name, safe='')}" if upload.name else ""
        response.headers["Content-Disposition"] = f"{disposition}{named}"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "private, max-age=3600"
        return response

    async def _room(self, call: Call[Nothing, UploadWish] | Call[Nothing, Nothing], session_type: str) -> Room:
        uuid = call.path["pipeline_uuid"]
        self._pipelines.find(uuid)
        return await self._pipelines.room(call.principal, uuid, session_type_of(session_type))

    def routes(self) -> list[AnyRoute]:
        return [
            Route(
                method="POST",
                path=_BASE,
                handler=self.bring,
                tag=_TAG,
                summary="Bring a file for a message",
                body=Nothing,
                takes_bytes=True,
                query=UploadWish,
                answer=UploadAnswer,
                status=201,
                errors=(403, 404, 413, 503),
                refusal=CodedRefusal,
            ),
            Route(
                method="GET",
                path=f"{_BASE}/{{session_type}}/{{upload_key}}",
                handler=self.fetch,
                tag=_TAG,
                summary="Fetch a file",
                body=Nothing,
                query=Nothing,
                answer=str,
                content="*/*",
                errors=(403, 404, 503),
                refusal=CodedRefusal,
            ),
        ]
