"""The engine inside a program of one's own."""

from __future__ import annotations

import trio

from engine.config import Config
from engine.extensions import open_extensions
from engine.server import Engine


async def run_embedded(config: Config, *, task_status: trio.TaskStatus[Engine] = trio.TASK_STATUS_IGNORED) -> None:
    """Serves until it is cancelled: `engine = await nursery.start(run_embedded, config)`.

    Signals and the log are the program's. Raises what opening the store's file raises, or why the tree fails.
    """
    async with open_extensions(config) as extensions:
        await Engine(config, extensions).run(task_status=task_status)
