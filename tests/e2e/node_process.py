"""A script of `tests/node` as a process that is spoken to in lines of JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.engine_process import environment
from tests.support.node import FOLDER, node


class NodeProcess:
    def __init__(self, script: str, arguments: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            [node(), script, *arguments],
            cwd=FOLDER,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def write(self, line: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """The next line. The test's own time limit ends a wait for one that does not come."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the script has ended"
        decoded: dict[str, Any] = json.loads(line)
        return decoded

    def end(self) -> int:
        """Closes the script's input and returns its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait()


@contextmanager
def node_process(script: str, *arguments: str) -> Iterator[NodeProcess]:
    """Runs it until the end of the block. Without Node the test skips."""
    running = NodeProcess(script, arguments)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        for pipe in (running.process.stdin, running.process.stdout):
            if pipe is not None:
                pipe.close()
