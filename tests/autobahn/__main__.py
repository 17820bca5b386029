"""`python -m tests.autobahn`: the suite's verdict on the server's WebSocket.

Ends with 0 where no case failed, and where there is no Python 2.7 to run the suite on; under CI that is a failure.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from tests.autobahn.echo import EchoHandlers
from tests.autobahn.results import Results
from tests.autobahn.suite import BUILD, REPORTS, SuiteError, find_python27, install, run
from tests.transport.server import start_server

MISSING = (
    "Autobahn's suite did not run: it needs Python 2.7, which is not here. Install it"
    " (pyenv install 2.7.18) or put a python2.7 on the PATH."
)


def main() -> int:
    python27 = find_python27()
    if python27 is None:
        print(MISSING)
        return bool(os.environ.get("CI"))
    BUILD.mkdir(parents=True, exist_ok=True)
    try:
        program = install(python27)
        results, crashed = trio.run(_test, program)
    except SuiteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\r{results.summary()}\nReports: {REPORTS}/index.html")
    if crashed:
        print(f"{crashed} connections crashed in the server", file=sys.stderr)
    return bool(results.failed() or crashed)


async def _test(program: Path) -> tuple[Results, int]:
    """The results, and how many connections crashed."""
    async with trio.open_nursery() as nursery:
        server = await start_server(nursery, handlers=EchoHandlers(nursery.start_soon))
        results = await run(program, server.listener.addresses[0][1], _show)
        crashed = server.listener.statistics().crashed
        nursery.cancel_scope.cancel()
    return results, crashed


def _show(case: str) -> None:
    if sys.stdout.isatty():
        print(f"\rcase {case:<10}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
