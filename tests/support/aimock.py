"""npm's `@copilotkit/aimock`, an OpenAI-compatible server nobody here wrote, as a process of the test."""

from __future__ import annotations

import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import trio

from tests.support.node import FOLDER, node

_START_SECONDS = 30


@asynccontextmanager
async def aimock(fixtures: list[dict[str, Any]], folder: Path) -> AsyncIterator[str]:
    """Serves the fixtures, written to `folder`, and gives the base URL. Without Node the test skips."""
    executable = node()
    source = folder / "fixtures.json"
    source.write_bytes(orjson.dumps({"fixtures": fixtures}))
    command = [executable, str(FOLDER / "node_modules/@copilotkit/aimock/dist/cli.js"), "--port", "0"]
    command += ["--fixtures", str(source), "--validate-on-load", "--strict"]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield await _url(process) + "/v1"
    finally:
        process.kill()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
            await process.wait()
        if process.stdout is not None:
            await trio.aclose_forcefully(process.stdout)


async def _url(process: trio.Process) -> str:
    """What the server says when it listens."""
    said = b""
    assert process.stdout is not None
    with trio.fail_after(_START_SECONDS):
        async for part in process.stdout:
            said += part
            found = re.search(rb"listening on (http://[0-9.]+:[0-9]+)\s", said)
            if found is not None:
                return found[1].decode()
    raise AssertionError(f"aimock did not start: {said.decode()}")
