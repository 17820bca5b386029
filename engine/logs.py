"""Logs: structlog and the standard library's loggers through one pipeline, written by a thread of its own."""

from __future__ import annotations

import logging
import logging.handlers
import queue
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from engine.config import Logging
from engine.redaction import redact_names, redact_text

WAITING_LINES = 10_000

# Each logs a line a request at `info`, URLs included: more than a reader of our log wants.
_TALKATIVE = ("httpx2", "httpcore2", "hypercorn.access")


@contextmanager
def logging_to(settings: Logging, stream: TextIO | None = None) -> Iterator[None]:
    """Sends every log line to `stream` (standard error) and, where configured, to a file, until the block ends.

    Lines are rendered and written by a thread, so that a terminal or a pipe that stops reading never stops the event
    loop. Full-policy: beyond WAITING_LINES waiting lines new ones are dropped, and their number is logged afterwards.
    All that waits is written before the block is left. Raises OSError where the file cannot be opened.
    """
    stream = sys.stderr if stream is None else stream
    handlers = [_stream_handler(settings, stream), *_file_handlers(settings)]
    entry = _QueueHandler(queue.Queue(WAITING_LINES))
    listener = logging.handlers.QueueListener(entry.queue, *handlers)
    root = logging.getLogger()
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in _TALKATIVE}
    root.handlers, level = [entry], settings.level.upper()
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    _configure_structlog()
    listener.start()
    try:
        yield
    finally:
        entry.report_dropped()
        listener.stop()
        for handler in handlers:
            handler.close()
        logging.captureWarnings(False)
        root.handlers, root.level = before[0], before[1]
        for name, old in before[2].items():
            logging.getLogger(name).setLevel(old)
        structlog.reset_defaults()


class _QueueHandler(logging.handlers.QueueHandler):
    """Hands records to the writing thread, unrendered, and counts those for which there is no room."""

    def __init__(self, waiting: queue.Queue[Any]) -> None:
        super().__init__(waiting)
        self._waiting = waiting
        self._dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            if self._dropped:
                self._waiting.put_nowait(_dropped_record(self._dropped))
                self._dropped = 0
            self._waiting.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def report_dropped(self) -> None:
        """Waits for room: for the end, when nothing is in a hurry."""
        if self._dropped:
            self._waiting.put(_dropped_record(self._dropped))
            self._dropped = 0


def _dropped_record(count: int) -> logging.LogRecord:
    message = "log lines were dropped: the reader of the log is too slow (%d)"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, (count,), None)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


def _stream_handler(settings: Logging, stream: TextIO) -> logging.Handler:
    readable = stream.isatty() if settings.format == "auto" else settings.format == "console"
    handler = logging.StreamHandler(stream)
    if readable:
        # The prettier tracebacks show local variables, keys and tokens among them.
        plain = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)
        handler.setFormatter(_formatter(renderer))
    else:
        handler.setFormatter(_json_formatter())
    return handler


def _file_handlers(settings: Logging) -> list[logging.Handler]:
    if settings.file is None:
        return []
    settings.file.parent.mkdir(parents=True, exist_ok=True)
    # Watched: a rotated file is opened anew, so rotation is left to the tools made for it.
    handler = logging.handlers.WatchedFileHandler(settings.file, encoding="utf-8")
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
