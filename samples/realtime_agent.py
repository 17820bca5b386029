"""A program that serves the steps and takes part in them: it listens, says something to everybody, and submits a task.

    python samples/realtime_agent.py [TASK]

It reads the configuration as `callboard serve` does, for example `PORT`.
"""

from __future__ import annotations

import json
import sys

import trio

from actors.principal import Principal
from engine.config_load import load_config
from engine.embedded import run_embedded
from transport.dialects.steps import SubmitTask

USER = "anonymous"


async def main(task: str) -> None:
    async with trio.open_nursery() as nursery:
        engine = await nursery.start(run_embedded, load_config())
        agent = engine.realtime_agent(USER)
        complete = trio.Event()

        def send(message: str) -> None:
            print(message, flush=True)
            if json.loads(message)["type"] == "task:complete":
                complete.set()

        agent.add_client("printer", send)
        await agent.broadcast("greeting", {"text": "hello, everybody"})
        await agent.submit(Principal(USER), SubmitTask(task, {}))
        await complete.wait()
        agent.remove_client("printer")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1] if len(sys.argv) > 1 else "What is 6*7?")
