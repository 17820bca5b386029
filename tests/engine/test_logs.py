"""Logs: two forms, one pipeline, no secrets, and nobody waits for their reader."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog
import trio

from engine.config import Logging
from engine.logs import WAITING_LINES, logging_to
from engine.redaction import redact_text

Form = Literal["json", "console"]

KEY = "ab_" + "Q" * 43
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with logging_to(Logging(), stream):
        structlog.get_logger("ours").info("hello", count=3)
        logging.getLogger("theirs").warning("from %s", "afar")
    ours, theirs = lines(stream)
    assert ours.items() >= {"event": "hello", "count": 3, "level": "info", "logger": "ours"}.items()
    assert theirs.items() >= {"event": "from afar", "level": "warning", "logger": "theirs"}.items()
    assert ours["timestamp"].endswith("+00:00")


def test_readable_on_a_terminal() -> None:
    stream = Terminal()
    with logging_to(Logging(), stream):
        structlog.get_logger("ours").info("hello", count=3)
    assert "\x1b[" in stream.getvalue()
    assert "hello" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(("form", "stream"), [("json", Terminal()), ("console", io.StringIO())])
def test_the_form_can_be_fixed(form: Form, stream: io.StringIO) -> None:
    with logging_to(Logging(format=form), stream):
        structlog.get_logger("ours").info("hello")
    assert stream.getvalue().startswith("{") == (form == "json")
    assert "\x1b" not in stream.getvalue()


def test_level() -> None:
    stream = io.StringIO()
    with logging_to(Logging(level="warning"), stream):
        for logger in (structlog.get_logger("ours"), logging.getLogger("theirs")):
            logger.info("quiet")
            logger.warning("loud")
        logging.getLogger("httpx2").info("one line a request")
    assert [line["event"] for line in lines(stream)] == ["loud", "loud"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_exceptions_come_with_their_traceback_and_without_local_variables(form: Form) -> None:
    stream = io.StringIO()
    with logging_to(Logging(format=form), stream):
        for logger in (structlog.get_logger("ours"), logging.getLogger("theirs")):
            try:
                hidden = "local value"
                raise LookupError(len(hidden))
            except LookupError:
                logger.exception("failed")
    assert stream.getvalue().count("LookupError: 11") == 2
    assert stream.getvalue().count("Traceback (most recent call last)") == 2
    assert stream.getvalue().count("local value") == 2 * stream.getvalue().count('hidden = "local value"')


def test_a_file_gets_json_lines_too(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "engine.log"
    with logging_to(Logging(format="console", file=path), io.StringIO()):
        structlog.get_logger("ours").info("hello")
    assert json.loads(path.read_text())["event"] == "hello"


@pytest.mark.parametrize(("settings", "written"), [(Logging(to_file=True), True), (Logging(), False)])
def test_a_file_of_the_usual_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Logging, written: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    with logging_to(settings, io.StringIO()):
        structlog.get_logger("ours").info("hello")
    assert (tmp_path / "logs" / "agent-engine.log").exists() is written


def test_warnings_are_logged() -> None:
    stream = io.StringIO()
    with warnings.catch_warnings(), logging_to(Logging(), stream):
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)
    assert "UserWarning: careful" in lines(stream)[0]["event"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_credential_is_written(form: Form) -> None:
    stream = io.StringIO()
    with logging_to(Logging(format=form), stream):
        log = structlog.get_logger("ours")
        log.info("request", authorization="Basic abc", api_key="hunter2", headers={"x": f"Bearer {TOKEN}"})
        log.info(f"key {KEY}", url=f"/x?access_token={TOKEN}&a=1&ticket=tk_{'t' * 43}")
        logging.getLogger("theirs").warning("token=%s", "plain-secret")
        try:
            raise ValueError(KEY)
        except ValueError:
            log.exception("failed")
    text = stream.getvalue()
    for secret in ("Basic abc", "hunter2", TOKEN, KEY, "t" * 43, "plain-secret"):
        assert secret not in text
    assert "a=1" in text


def test_ordinary_words_are_left_alone() -> None:
    line = "the token of tab_key basic test eyJ nothing at /x?since=e:5&tickets=3 ab_test"
    assert redact_text(line) == line


class Stuck(io.StringIO):
    """A stream whose reader has stopped reading, until it goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.go_on.wait(10)
        return super().write(text)


def test_a_reader_that_stops_reading_stops_nobody() -> None:
    stream = Stuck()
    with logging_to(Logging(), stream):
        log = logging.getLogger("theirs")
        log.warning("first")
        assert stream.reached.wait(10)
        for number in range(WAITING_LINES + 7):
            log.warning("%d", number)
        stream.go_on.set()
    events = [line["event"] for line in lines(stream)]
    assert events[:2] == ["first", "0"]
    assert "log lines were dropped: the reader of the log is too slow (7)" in events
    assert len(events) == 1 + WAITING_LINES + 1


async def test_a_log_that_nobody_ever_reads_keeps_no_process_alive() -> None:
    program = """
import logging, engine.logs
from engine.config import Logging
engine.logs.CLOSING_SECONDS = 0.1
with engine.logs.logging_to(Logging()):
    for number in range(engine.logs.WAITING_LINES + 1):
        logging.warning("a line that soon fills the pipe to its brim: %d", number)
"""
    command = [sys.executable, "-c", program]
    root = Path(__file__).parents[2]
    process = await trio.lowlevel.open_process(command, cwd=root, stderr=subprocess.PIPE)
    assert process.stderr is not None
    with trio.fail_after(30):
        assert await process.wait() == 0
    await process.stderr.aclose()


def test_everything_is_as_before_afterwards() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with logging_to(Logging(level="debug"), io.StringIO()):
        assert root.level == logging.DEBUG
    assert (root.handlers, root.level) == before
