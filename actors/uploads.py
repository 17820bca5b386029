"""Files that clients have brought: the port behind which they are kept, and a bounded store in memory."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Protocol

import msgspec
import trio

from actors.errors import CallboardError, ErrorCode

FILE_OVERHEAD = 1024
"""Bytes charged for a file beside its own, so that a flood of empty ones is bounded too."""


class Upload(msgspec.Struct, frozen=True):
    """One file. `media_type` is what its bytes say that it is, whatever its sender said."""

    key: str
    scope: str
    name: str
    media_type: str
    data: bytes


def upload_key(owner: str, scope: str, name: str, data: bytes) -> str:
    """What names a file. The owner is part of it: that somebody else has brought the same one cannot be told from the
    key."""
    named = b"%b\0%b\0%b\0%b" % (owner.encode(), scope.encode(), name.encode(), data)
    return hashlib.sha256(named).hexdigest()[:40]


def no_such_file() -> CallboardError:
    return CallboardError(ErrorCode.NOT_FOUND, "no such file")


class UploadStore(Protocol):
    """Keeps files, each for one owner and within that for one scope, as a conversation."""

    async def put(self, owner: str, scope: str, name: str, media_type: str, data: bytes) -> Upload:
        """Keeps a file; the same one again is kept once. Raises CallboardError TOO_LARGE, UNAVAILABLE."""
        ...

    async def find(self, owner: str, scope: str, key: str) -> Upload:
        """Raises CallboardError NOT_FOUND, also for one of another owner or scope, UNAVAILABLE."""
        ...

    async def forget(self, owner: str, scope: str, key: str) -> None:
        """Idempotent. Raises CallboardError UNAVAILABLE."""
        ...

    async def forget_all(self, owner: str, scope: str) -> None:
        """All that is kept in the scope. Idempotent. Raises CallboardError UNAVAILABLE."""
        ...


class UploadsOptions(msgspec.Struct, frozen=True):
    """`file_bytes`: the largest file. `owner_bytes` and `total_bytes`: kept of one owner and in all; beyond them the
    files brought first are forgotten."""

    file_bytes: int = 4 * 1024 * 1024
    owner_bytes: int = 64 * 1024 * 1024
    total_bytes: int = 512 * 1024 * 1024

    def size_of(self, data: bytes) -> int:
        """What the file takes of the bounds. Raises CallboardError TOO_LARGE for one that may not be kept."""
        size = len(data) + FILE_OVERHEAD
        if len(data) > self.file_bytes or size > min(self.owner_bytes, self.total_bytes):
            raise CallboardError(ErrorCode.TOO_LARGE, f"a file has at most {self.file_bytes} bytes")
        return size


class MemoryUploads:
    """An `UploadStore` that lasts as long as the process."""

    def __init__(self, options: UploadsOptions | None = None) -> None:
        self._options = options or UploadsOptions()
        self._uploads: OrderedDict[tuple[str, str], Upload] = OrderedDict()
        self._of_owner: dict[str, OrderedDict[str, None]] = {}
        self._owner_bytes: dict[str, int] = {}
        self._bytes = 0

    @property
    def kept_bytes(self) -> int:
        """All files, each with its share of the bookkeeping."""
        return self._bytes

    async def put(self, owner: str, scope: str, name: str, media_type: str, data: bytes) -> Upload:
        await trio.lowlevel.checkpoint()
        options = self._options
        size = options.size_of(data)
        key = upload_key(owner, scope, name, data)
        self._forget(owner, key)
        while self._owner_bytes.get(owner, 0) + size > options.owner_bytes:
            self._forget(owner, next(iter(self._of_owner[owner])))
        while self._bytes + size > options.total_bytes:
            self._forget(*next(iter(self._uploads)))
        upload = Upload(key, scope, name, media_type, data)
        self._uploads[owner, key] = upload
        self._of_owner.setdefault(owner, OrderedDict())[key] = None
        self._owner_bytes[owner] = self._owner_bytes.get(owner, 0) + size
        self._bytes += size
        return upload

    async def find(self, owner: str, scope: str, key: str) -> Upload:
        await trio.lowlevel.checkpoint()
        upload = self._uploads.get((owner, key))
        if upload is None or upload.scope != scope:
            raise no_such_file()
        return upload

    async def forget(self, owner: str, scope: str, key: str) -> None:
        await trio.lowlevel.checkpoint()
        self._forget_in(owner, scope, key)

    async def forget_all(self, owner: str, scope: str) -> None:
        await trio.lowlevel.checkpoint()
        for key in tuple(self._of_owner.get(owner, ())):
            self._forget_in(owner, scope, key)

    def _forget_in(self, owner: str, scope: str, key: str) -> None:
        upload = self._uploads.get((owner, key))
        if upload is not None and upload.scope == scope:
            self._forget(owner, key)

    def _forget(self, owner: str, key: str) -> None:
        """Idempotent."""
        upload = self._uploads.pop((owner, key), None)
        if upload is None:
            return
        size = len(upload.data) + FILE_OVERHEAD
        self._bytes -= size
        self._owner_bytes[owner] -= size
        del self._of_owner[owner][key]
        if not self._of_owner[owner]:
            del self._of_owner[owner], self._owner_bytes[owner]
