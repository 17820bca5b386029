"""Lines of a terminal or a pipe, awaited."""

from __future__ import annotations

import os

import trio


class Lines:
    """Reads a file descriptor in the trio loop, where a read in a thread could not be given up."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = b""
        self._ended = False

    async def next(self) -> str | None:
        """The next line without its end; None at the end of the file."""
        await trio.lowlevel.checkpoint()
        while b"\n" not in self._buffer and not self._ended:
            await self._wait()
            data = os.read(self._fd, 65_536)
            self._buffer += data
            self._ended = not data
        line, found, self._buffer = self._buffer.partition(b"\n")
        if not line and not found:
            return None
        return line.decode(errors="replace").removesuffix("\r")

    async def _wait(self) -> None:
        try:
            await trio.lowlevel.wait_readable(self._fd)
        except PermissionError:
            # A regular file is always readable, and nothing that could be waited for.
            return
