"""`callboard run`, `chat` and `cancel` against a running engine, as a person or a script would use them."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import httpx2
import pytest

from tests.e2e.clients import event_stream, rest
from tests.e2e.conftest import Token
from tests.e2e.engine_process import PATIENCE, EngineProcess, environment
from tests.e2e.tcp_proxy import tcp_proxy


class CommandLine:
    """`callboard …` as a process with pipes, or with a terminal for its input. Its pipes are not buffered here, so that
    what one read leaves is there for the next."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def output_until(self, words: str) -> str:
        """Standard output up to and including these words."""
        return _read_until(self.process.stdout, words)

    def remarks_until(self, words: str) -> str:
        """Standard error up to and including these words."""
        return _read_until(self.process.stderr, words)

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str, str]:
        """Exit status, and what is left of standard output and standard error."""
        output, remarks = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output.decode(), remarks.decode()


def _read_until(pipe: IO[bytes] | None, words: str) -> str:
    assert pipe is not None
    seen = b""
    while not seen.endswith(words.encode()):
        character = pipe.read(1)
        assert character, seen
        seen += character
    return seen.decode()


@contextmanager
def command_line(url: str, token: str, *arguments: str, stdin: int = subprocess.PIPE) -> Iterator[CommandLine]:
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", *arguments],
        env=environment() | {"CALLBOARD_URL": url, "CALLBOARD_TOKEN": token},
        bufsize=0,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield CommandLine(process)
    finally:
        process.kill()
        process.communicate()


def test_the_answer_alone_is_on_standard_output(engine: EngineProcess, token: Token) -> None:
    with command_line(engine.url, token("alice"), "run", "what is 12*34? and count to 3") as shell:
        status, output, remarks = shell.end()
    assert (status, output) == (0, "12*34 = 408\n1 2 3 That is all.\n")
    for told in ("prompt asks me", "plan  Calculate (12*34); Count (to 3)", "tool  = 408", "made  report-1.md"):
        assert told in remarks
    assert "\x1b" not in output + remarks
    assert "lost" not in remarks


def test_the_prompt_from_standard_input(engine: EngineProcess, token: Token) -> None:
    with command_line(engine.url, token("alice"), "run", "-") as shell:
        shell.say("what is 2*3?")
        assert shell.end()[:2] == (0, "2*3 = 6\n")


def test_a_failure_is_told_and_is_the_exit_status(engine: EngineProcess, token: Token) -> None:
    with command_line(engine.url, token("alice"), "run", "fail: no luck") as shell:
        status, output, remarks = shell.end()
    assert (status, output) == (1, "")
    assert remarks.endswith("failed  no luck\n")


def test_interrupting_cancels_the_task_and_waits_for_its_end(engine: EngineProcess, token: Token) -> None:
    with command_line(engine.url, token("alice"), "run", "slowly count to 100") as shell:
        shell.remarks_until("step  Count")
        shell.interrupt()
        status, _, remarks = shell.end()
    assert status == 130
    assert re.search(r"cancelling; .*\ncancelled  requested\n", remarks)
    with rest(engine.url, token("alice")) as api:
        assert api.get("/api/v1/tasks").json()["tasks"][0]["state"] == "cancelled"


def test_interrupting_twice_leaves_it_alone(engine: EngineProcess, token: Token) -> None:
    key = token("olga", "agent")
    with rest(engine.url, key) as api:
        api.post("/api/v1/agents", json={"name": "slowpoke", "description": "stops when it likes"}).raise_for_status()
        with command_line(engine.url, key, "run", "wait", "--agent", "slowpoke") as shell:
            with event_stream(api, "agent", "slowpoke", "0") as offers:
                task = next(offers)["data"]["task_id"]
            api.post(f"/api/v1/tasks/{task}/claim").raise_for_status()
            post(api, task, "agent.message", content="I stay.")
            shell.output_until("I stay.")
            shell.interrupt()
            shell.remarks_until("cancelling")
            while not post(api, task, "agent.message", content="."):
                pass
            shell.interrupt()
            assert shell.end()[0] == 130
        assert api.get(f"/api/v1/tasks/{task}").json()["state"] == "cancelling"
        post(api, task, "task.cancelled")


def post(api: httpx2.Client, task: str, event_type: str, **data: str) -> bool:
    """Says something for the agent that runs elsewhere, and learns whether it is to stop."""
    events = [{"event_type": event_type, "data": data}]
    answer = api.post(f"/api/v1/tasks/{task}/events", json={"events": events}).raise_for_status()
    stop: bool = answer.json()["cancel_requested"]
    return stop


@pytest.mark.parametrize(("answer", "result"), [("y", "yes"), ("yes", "yes"), ("", "no"), ("nonsense", "no")])
def test_a_confirmation_is_asked_for(engine: EngineProcess, token: Token, answer: str, result: str) -> None:
    with command_line(engine.url, token("alice"), "run", "s1", "--agent", "asking") as shell:
        assert "confirm  May I?" in shell.remarks_until("[y/N] ")
        shell.say(answer)
        assert shell.end()[:2] == (0, f"{result}\n")


def test_nobody_there_to_confirm_is_a_no_unless_told_yes(engine: EngineProcess, token: Token) -> None:
    arguments = ("run", "s1", "--agent", "asking")
    with command_line(engine.url, token("alice"), *arguments, stdin=subprocess.DEVNULL) as shell:
        assert shell.end()[1] == "no\n"
    with command_line(engine.url, token("alice"), *arguments, "--yes", stdin=subprocess.DEVNULL) as shell:
        assert shell.end()[1] == "yes\n"


def test_another_device_may_be_faster_to_confirm(engine: EngineProcess, token: Token) -> None:
    with (
        command_line(engine.url, token("carol"), "run", "s1", "--agent", "asking") as shell,
        rest(engine.url, token("carol")) as api,
    ):
        shell.remarks_until("[y/N] ")
        task = api.get("/api/v1/tasks").json()["tasks"][0]["id"]
        api.post(f"/api/v1/tasks/{task}/confirm", json={"step_id": "s1", "approved": True}).raise_for_status()
        shell.remarks_until("approved by carol")
        shell.process.wait(PATIENCE)
        assert shell.end()[:2] == (0, "yes\n")


def test_a_run_outlives_its_connection(engine: EngineProcess, token: Token) -> None:
    with (
        tcp_proxy(engine.port) as proxy,
        command_line(proxy.url, token("alice"), "run", "400", "--agent", "burst") as shell,
    ):
        begun = shell.output_until("9 ")
        proxy.drop()
        status, output, remarks = shell.end()
    assert status == 0
    words = (begun + output).split()
    assert words == [str(number) for number in range(1, 401)]
    assert "connection lost" in remarks


def test_a_conversation_line_by_line(engine: EngineProcess, token: Token) -> None:
    with command_line(engine.url, token("alice"), "chat") as shell:
        session = re.search(r"session (\S+);", shell.remarks_until("Ctrl-D ends"))
        assert session is not None
        shell.say("what is 6*7?")
        shell.say("")
        shell.say("what is 6*8?")
        status, output, _ = shell.end()
    assert (status, output.splitlines()) == (
        0,
        ["6*7 = 42", "Earlier you asked 1 time, last: “what is 6*7?”.", "6*8 = 48"],
    )
    with command_line(engine.url, token("alice"), "chat", "--session", session[1]) as shell:
        shell.say("what is 1+1?")
        assert "Earlier you asked 2 times" in shell.end()[1]


def test_a_chat_on_a_terminal_prompts_and_survives_an_interrupted_answer(engine: EngineProcess, token: Token) -> None:
    ours, theirs = pty.openpty()
    try:
        with command_line(engine.url, token("alice"), "chat", stdin=theirs) as shell:
            shell.remarks_until("> ")
            os.write(ours, b"slowly count to 100\n")
            shell.remarks_until("step  Count")
            shell.interrupt()
            shell.remarks_until("cancelled  requested\n> ")
            os.write(ours, b"what is 2*3?\n")
            shell.remarks_until("> ")
            shell.interrupt()
            status, output, _ = shell.end()
    finally:
        os.close(ours)
        os.close(theirs)
    assert status == 130
    assert output.endswith("2*3 = 6\n")


def test_cancel(engine: EngineProcess, token: Token) -> None:
    key = token("alice")
    with rest(engine.url, key) as api:
        task = api.post("/api/v1/tasks", json={"agent": "patient", "prompt": "wait"}).json()["id"]
        with command_line(engine.url, key, "cancel", task) as shell:
            status, output, remarks = shell.end()
        assert (status, remarks) == (0, "")
        assert output in ("cancelling\n", "cancelled\n")
    with command_line(engine.url, key, "cancel", "task-unknown") as shell:
        status, output, remarks = shell.end()
    assert (status, output) == (1, "")
    assert remarks == "Error: NOT_FOUND: no task task-unknown\n"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("run", "x", "--agent", "nobody"), 1, "NOT_FOUND"),
        (("run", "x", "--token", "ab_wrong"), 1, "Error: "),
        (("run", "x", "--url", "ftp://h"), 2, "ftp://h"),
        (("chat", "--url", "http://127.0.0.1:1"), 1, "127.0.0.1:1"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    engine: EngineProcess, token: Token, arguments: tuple[str, ...], status: int, said: str
) -> None:
    with command_line(engine.url, token("alice"), *arguments) as shell:
        returned, output, remarks = shell.end()
    assert (returned, output) == (status, "")
    assert said in remarks.splitlines()[-1]
    assert "Traceback" not in remarks
