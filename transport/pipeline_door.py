"""The door by which clients of pipelines come in."""

from __future__ import annotations

import re
import uuid
from functools import partial

import msgspec

from actors.commands import Start
from actors.errors import CallboardError
from actors.position import Position
from actors.principal import ANONYMOUS
from transport.accepted import Accepted
from transport.byte_stream import ByteStream
from transport.client_services import ClientServices
from transport.client_socket import ClientSocket
from transport.connection_edge import Serving
from transport.credentials import Authenticator, Credentials
from transport.dialects import pipeline
from transport.dialects.pipeline_replies import PipelineFrames
from transport.door import send_refusal
from transport.head import RequestHead
from transport.http_error import error_reply, http_status
from transport.pipeline_conversation import PipelineConversation, Wish
from transport.pipelines import Pipelines
from transport.upgrade import switching_protocols

_PATH = re.compile(r"/api/v1/pipelines/([^/]+)/ws/connect")

_NOTHING_SHOWN = Credentials(authorization=None, access_token=None, ticket=None)


class PipelineDoor:
    """Lets in the clients of pipelines."""

    def __init__(self, services: ClientServices, pipelines: Pipelines) -> None:
        self._services = services
        self._pipelines = pipelines
        self._frames = PipelineFrames()
        options = services.options
        self._authenticator = Authenticator(services.verifier, services.tickets, auth_required=options.auth_required)

    def serves(self, head: RequestHead) -> bool:
        return _PATH.fullmatch(head.path) is not None

    def open(self, stream: ByteStream, head: RequestHead) -> Serving:
        shown = Credentials(
            authorization=head.header("authorization"),
            access_token=head.query("access_token"),
            ticket=head.query("ticket"),
        )
        found = _PATH.fullmatch(head.path)
        uuid_, session_type = found[1] if found else "", head.query("session_type") or "person"
        return self._serving(stream, uuid_, session_type, head.query("since"), shown, switching_protocols(head))

    def _serving(
        self,
        stream: ByteStream,
        pipeline_uuid: str,
        session_type: str,
        since: str | None,
        shown: Credentials,
        answer: bytes,
    ) -> Serving:
        try:
            self._pipelines.find(pipeline_uuid)
            start: Start = "live" if since is None else "oldest" if since == "0" else Position.parse(since)
            wish = Wish(pipeline_uuid, pipeline.session_type_of(session_type), start)
        except CallboardError as error:
            return partial(send_refusal, stream, _refusal(error), self._services.options.close_seconds)
        if shown == _NOTHING_SHOWN and self._services.options.auth_required:
            # It is to say who it is in its first frame.
            speaks = partial(
                PipelineConversation, pipelines=self._pipelines, wish=wish, connection_id=str(uuid.uuid4())
            )
            return Accepted(ClientSocket(stream, self._services, self._frames, speaks), answer)
        return partial(self._serve, stream, wish, shown, answer)

    async def _serve(self, stream: ByteStream, wish: Wish, shown: Credentials, answer: bytes) -> None:
        try:
            user = ANONYMOUS if shown == _NOTHING_SHOWN else await self._authenticator.identify(shown, reads=False)
            room = await self._pipelines.room(user, wish.pipeline_uuid, wish.session_type)
        except CallboardError as error:
            await send_refusal(stream, _refusal(error), self._services.options.close_seconds)
            return
        connection_id = str(uuid.uuid4())
        speaks = partial(PipelineConversation, pipelines=self._pipelines, wish=wish, connection_id=connection_id)
        # Before it follows the room: others are told that it comes, and it knows.
        await self._pipelines.arrive(room, user, connection_id)
        try:
            socket = ClientSocket(stream, self._services, self._frames, partial(speaks, entry=(user, room)))
            await socket.serve(answer)
        except BaseException:
            # Else its conversation does it, at its end: a client that is idle has left this call.
            self._pipelines.lose(room, user, connection_id)
            raise


def _refusal(error: CallboardError) -> bytes:
    """In the form that errors have in this dialect's answers over HTTP."""
    body = msgspec.json.encode({"code": -1, "msg": error.message})
    return error_reply(http_status(error.code), error.code, error.message, retry_after=error.retry_after, body=body)
