"""The files of rooms: brought beside messages or within them, and shown by these."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from actors.errors import CallboardError, ErrorCode
from actors.uploads import Upload, UploadStore
from transport.dialects.pipeline_elements import urls_of
from transport.dialects.pipeline_messages import RoomMessage
from transport.media_type import sniff
from transport.pipeline_room import Room

_NAME_CHARACTERS = 255


class RoomFiles:
    """Each is its room's alone."""

    def __init__(self, store: UploadStore) -> None:
        self._store = store

    async def keep(self, room: Room, name: str, data: bytes) -> Upload:
        """For those who may be in the room. Raises CallboardError TOO_LARGE, INVALID_PAYLOAD for no bytes."""
        if not data:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, "the file is empty")
        return await self._store.put(*_scope(room), _proper(name), sniff(data), data)

    async def find(self, room: Room, key: str) -> Upload:
        """Raises CallboardError NOT_FOUND."""
        return await self._store.find(*_scope(room), key)

    async def forget(self, room: Room, recalled: Sequence[RoomMessage]) -> None:
        """Those that the messages have shown, and no other message of the room does."""
        shown = {url for one in room.messages.all() for url in urls_of(one.chain)}
        before = _path(room)
        for url in {url for one in recalled for url in urls_of(one.chain)} - shown:
            if url.startswith(before):
                await self._store.forget(*_scope(room), url.removeprefix(before))

    async def forget_all(self, room: Room) -> None:
        await self._store.forget_all(*_scope(room))


def address(room: Room, upload: Upload) -> str:
    """Where the file is to be had, on the engine's own port."""
    return f"{_path(room)}{upload.key}"


def _path(room: Room) -> str:
    return f"/api/v1/pipelines/{quote(room.pipeline.uuid)}/ws/uploads/{room.session_type}/"


def _scope(room: Room) -> tuple[str, str]:
    return room.principal.user_id, room.key


def _proper(name: str) -> str:
    """A name alone, without a folder or anything that is not printed: others will save the file under it."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(filter(str.isprintable, last)).lstrip(". ")[:_NAME_CHARACTERS]
