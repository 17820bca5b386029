"""What was said in a room and is taken back."""

from __future__ import annotations

import trio

from actors.commands import CancelTask
from actors.errors import CallboardError, ErrorCode
from actors.event import Draft, Json, draft, now_ms
from actors.feeds import Feeds
from actors.principal import Principal
from actors.redaction import TaskRedaction
from actors.redactor import Redactor
from actors.router import Router
from transport.dialects.pipeline import Echo
from transport.dialects.pipeline_messages import RoomMessage
from transport.pipeline_files import RoomFiles
from transport.pipeline_groups import moderates
from transport.pipeline_room import Room, tell

_DEADLINE_SECONDS = 20.0


class Recalls:
    """Of all rooms."""

    def __init__(self, router: Router, feeds: Feeds, files: RoomFiles, seconds: float) -> None:
        """`seconds`: how long an author may recall a message."""
        self._router = router
        self._redactor = Redactor(router, feeds)
        self._files = files
        self._seconds = seconds

    async def recall(self, room: Room, user: Principal, message_id: int, echo: Echo) -> None:
        """Leaves a tombstone in the message's place, and its text nowhere. Its author may for some time, admins and
        moderators at any. With a question goes what was answered to it, which may quote it; what is still being
        answered is cancelled.

        Raises CallboardError NOT_FOUND, CONFLICT where it is recalled already, FORBIDDEN; and UNAVAILABLE, having done
        nothing but forgotten files.
        """
        # Where nothing can be kept it is refused here, and not half way.
        await self._router.channels.keeper.keep()
        message = room.messages.find(message_id)
        if message is None:
            raise CallboardError(ErrorCode.NOT_FOUND, f"no message {message_id}")
        if message.recalled:
            raise CallboardError(ErrorCode.CONFLICT, f"message {message_id} is recalled already")
        self._check(room, user, message)
        redaction = TaskRedaction(message.task_id, asked=message.role == "user")
        going = [one for one in room.messages.of_task(message.task_id) if redaction.takes_back(one.role)]
        # Whoever asked for it may go away at once: it is not left half done.
        with trio.move_on_after(_DEADLINE_SECONDS, shield=True):
            await self._files.forget(room, going)
            await self._redactor.redact(room.session, redaction)
            await tell(
                self._router.channels,
                room,
                *(_recalled(one, user, echo) for one in going if not one.recalled),
                patient=True,
            )
            await self._cancel(room, message.task_id)

    def _check(self, room: Room, user: Principal, message: RoomMessage) -> None:
        if moderates(user, room.pipeline):
            return
        if message.role != "user" or message.user_id != user.user_id:
            raise CallboardError(ErrorCode.FORBIDDEN, "a message is recalled by its author or a moderator")
        if now_ms() - message.timestamp > self._seconds * 1000:
            raise CallboardError(ErrorCode.FORBIDDEN, f"a message can be recalled for {self._seconds:g} seconds")

    async def _cancel(self, room: Room, task_id: str) -> None:
        try:
            await self._router.command_task(room.principal, CancelTask(task_id))
        except CallboardError as error:
            # It may have ended so long ago that it is forgotten.
            if error.code is not ErrorCode.NOT_FOUND:
                raise


def _recalled(message: RoomMessage, by: Principal, echo: Echo) -> Draft:
    told: Json = {
        "message_id": message.id,
        "by": by.user_id,
        "echo": echo,
        "task_id": message.task_id,
        "role": message.role,
    }
    return draft("chat.recalled", told)
