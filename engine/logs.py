"""Logs: structlog and the standard library's loggers through one pipeline, written by a thread of its own."""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from engine.config import Logging
from engine.redaction import redact_names, redact_text

WAITING_LINES = 10_000
CLOSING_SECONDS = 5.0
DEFAULT_FILE = Path("logs/agent-engine.log")

# Each logs a line a request at `info`, URLs included: more than a reader of our log wants.
_TALKATIVE = ("httpx2", "httpcore2", "hypercorn.access")


@contextmanager
def logging_to(settings: Logging, stream: TextIO | None = None) -> Iterator[None]:
    """Sends every log line to `stream` (standard error) and, where configured, to a file, until the block ends.

    Lines are rendered and written by a thread, so that a terminal or a pipe that stops reading never stops the event
    loop. Full-policy: beyond WAITING_LINES waiting lines new ones are dropped, and their number is logged afterwards.
    What waits is written before the block is left, as far as CLOSING_SECONDS allow. Raises OSError where the file
    cannot be opened.
    """
    handlers = [_stream_handler(settings, sys.stderr if stream is None else stream), *_file_handlers(settings)]
    writer = _Writer(handlers)
    root = logging.getLogger()
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in _TALKATIVE}
    root.handlers = [writer]
    root.setLevel(settings.level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    _configure_structlog()
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers = before[0]
        root.setLevel(before[1])
        for name, old in before[2].items():
            logging.getLogger(name).setLevel(old)
        structlog.reset_defaults()
        writer.finish()


class _Writer(logging.Handler):
    """Takes records in, unrendered, and has a thread write them; counts those for which there is no room."""

    def __init__(self, handlers: Sequence[logging.Handler]) -> None:
        super().__init__()
        self._handlers = handlers
        self._waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(WAITING_LINES)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="log writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._dropped:
                self._waiting.put_nowait(_dropped_record(self._dropped))
                self._dropped = 0
            self._waiting.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def finish(self) -> None:
        """Has the rest written, and waits for it, but not for ever: a log that nobody reads must not keep us alive."""
        deadline = time.monotonic() + CLOSING_SECONDS
        with suppress(queue.Full):
            if self._dropped:
                self._waiting.put(_dropped_record(self._dropped), timeout=CLOSING_SECONDS)
            self._waiting.put(None, timeout=max(0.0, deadline - time.monotonic()))
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if not self._thread.is_alive():
            for handler in self._handlers:
                handler.close()

    def _write(self) -> None:
        while (record := self._waiting.get()) is not None:
            for handler in self._handlers:
                handler.handle(record)


class _StreamHandler(logging.Handler):
    """Writes to a stream from the writing thread alone, holding no lock while it does.

    At exit Python takes the lock of every logging handler and of standard error's buffer; a write that nobody reads
    would hold either for ever. So this handler has none, and writes to the file descriptor, where there is one.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        try:
            self._descriptor = stream.fileno()
        except OSError:
            self._descriptor = -1

    def createLock(self) -> None:  # noqa: N802  # the standard library's name
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record) + "\n"
        try:
            if self._descriptor < 0:
                self._stream.write(line)
            else:
                _write_all(self._descriptor, line.encode("utf-8", "backslashreplace"))
        except (OSError, ValueError):
            self.handleError(record)  # the stream was closed, or its reader is gone: that must not end the thread


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _dropped_record(count: int) -> logging.LogRecord:
    message = "log lines were dropped: the reader of the log is too slow (%d)"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, (count,), None)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


def _stream_handler(settings: Logging, stream: TextIO) -> logging.Handler:
    readable = stream.isatty() if settings.format == "auto" else settings.format == "console"
    handler = _StreamHandler(stream)
    if readable:
        # The prettier tracebacks show local variables, keys and tokens among them.
        plain = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)
        handler.setFormatter(_formatter(renderer))
    else:
        handler.setFormatter(_json_formatter())
    return handler


def _file_handlers(settings: Logging) -> list[logging.Handler]:
    file = settings.file or (DEFAULT_FILE if settings.to_file else None)
    if file is None:
        return []
    file.parent.mkdir(parents=True, exist_ok=True)
    # Watched: a rotated file is opened anew, so rotation is left to the tools made for it.
    handler = logging.handlers.WatchedFileHandler(file, encoding="utf-8")
    handler.setFormatter(_json_formatter())
    return [handler]


def _json_formatter() -> _Formatter:
    return _formatter(structlog.processors.JSONRenderer(default=repr))


def _formatter(*last: Processor) -> _Formatter:
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_time,
        structlog.processors.format_exc_info,
        redact_names,
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
    ]
    return _Formatter(processors=[*shared, *last])


def _add_time(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """When the line was logged, not when it is written."""
    created: float = event["_record"].created
    event["timestamp"] = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
    return event


def _configure_structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,  # while it is being handled: the writing thread has no exception
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
