"""Somebody's application with a panel in it, built and served from an origin of its own."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.node import browser_folder, client_package, node


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def build_apps(folder: Path) -> None:
    """Skips where there is no Node, and fails as CI does."""
    client_package()
    subprocess.run([node(), "bundle.mjs", str(folder)], cwd=browser_folder(), check=True, timeout=60)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The origin that the folder's files are served from."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
