"""Files that clients have brought: the port behind which they are kept, and a bounded store in memory."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Protocol

import msgspec

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


class UploadStore(Protocol):
    """Keeps files, each for one owner and within that for one scope, as a conversation."""

    def put(self, owner: str, scope: str, name: str, media_type: str, data: bytes) -> Upload:
        """Keeps a file; the same one again is kept once. Raises CallboardError TOO_LARGE."""
        ...

    def find(self, owner: str, scope: str, key: str) -> Upload:
        """Raises CallboardError NOT_FOUND, also for one of another owner or scope."""
        ...

    def forget(self, owner: str, scope: str, key: str) -> None:
        """Idempotent."""
        ...

    def forget_all(self, owner: str, scope: str) -> None:
        """All that is kept in the scope. Idempotent."""
        ...


class UploadsOptions(msgspec.Struct, frozen=True):
    """`file_bytes`: the largest file. `owner_bytes` and `total_bytes`: kept of one owner and in all; beyond them the
    files brought first are forgotten."""

    file_bytes: int = 4 * 1024 * 1024
    owner_bytes: int = 64 * 1024 * 1024
    total_bytes: int = 512 * 1024 * 1024


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

    def put(self, owner: str, scope: str, name: str, media_type: str, data: bytes) -> Upload:
        options = self._options
        size = len(data) + FILE_OVERHEAD
        if len(data) > options.file_bytes or size > min(options.owner_bytes, options.total_bytes):
            raise CallboardError(ErrorCode.TOO_LARGE, f"a file has at most {options.file_bytes} bytes")
        # The owner is part of it: that somebody else has brought the same file cannot be told from the key.
        named = b"%b\0%b\0%b\0%b" % (owner.encode(), scope.encode(), name.encode(), data)
        key = hashlib.sha256(named).hexdigest()[:40]
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

    def find(self, owner: str, scope: str, key: str) -> Upload:
        upload = self._uploads.get((owner, key))
        if upload is None or upload.scope != scope:
            raise CallboardError(ErrorCode.NOT_FOUND, "no such file")
        return upload

    def forget(self, owner: str, scope: str, key: str) -> None:
        upload = self._uploads.get((owner, key))
        if upload is not None and upload.scope == scope:
            self._forget(owner, key)

    def forget_all(self, owner: str, scope: str) -> None:
        for key in tuple(self._of_owner.get(owner, ())):
            self.forget(owner, scope, key)

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
