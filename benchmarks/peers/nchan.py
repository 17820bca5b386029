"""nginx with Nchan: one worker, its memory store, WebSocket subscribers, and a publisher that posts each event."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 10.0
_CONFIGURATION = """
load_module {module};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        nchan_channel_id bench;
        location = /events {{ nchan_subscriber websocket; nchan_subscriber_first_message newest; }}
        location = /publish {{ nchan_publisher; nchan_message_buffer_length 16; }}
    }}
}}
"""


class Nchan:
    """A context manager; the publisher is a process of its own and starts with `start`."""

    def __init__(self, program: Path, module: Path, *, rate: float, message_bytes: int, fill: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="callboard-bench-")
        self._publish = [str(rate), str(message_bytes), str(fill)]
        self._publisher: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        file = Path(self._folder.name) / "nginx.conf"
        file.write_text(_CONFIGURATION.format(module=module, folder=self._folder.name, port=self.port))
        command = [str(program), "-c", str(file), "-p", self._folder.name, "-e", f"{self._folder.name}/error.log"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.pid = self._process.pid

    def start(self) -> None:
        script = Path(__file__).parent / "servers" / "nchan_publisher.py"
        command = [sys.executable, str(script), str(self.port), *self._publish]
        self._publisher = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.__exit__(None, None, None)
        raise RuntimeError("nginx did not start")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (self._publisher, self._process):
            if process is not None:
                process.kill()
                process.wait()
        self._folder.cleanup()
