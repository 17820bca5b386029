"""A disk that takes nothing of what a running engine writes, for as long as a test wants."""

from __future__ import annotations

import resource

from tests.e2e.engine_process import EngineProcess


class BrokenDisk:
    """Whole until it is broken."""

    REASON = "disk I/O error|File too large"
    """SQLite's word for it, or the system's own where it is the mark beside the database that cannot be written."""

    def __init__(self, engine: EngineProcess) -> None:
        self._process = engine.process.pid
        self._limits = resource.prlimit(self._process, resource.RLIMIT_FSIZE)

    def fail(self) -> None:
        resource.prlimit(self._process, resource.RLIMIT_FSIZE, (0, self._limits[1]))

    def mend(self) -> None:
        resource.prlimit(self._process, resource.RLIMIT_FSIZE, self._limits)
