"""`samples/test_websocket_client.py`, run as its users run it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import trio

from tests.e2e.engine_process import environment
from tests.support.pipeline_server import pipeline_server

SCRIPT = Path(__file__).parents[1] / "samples" / "test_websocket_client.py"


async def sample(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    with trio.fail_after(30):
        return await trio.run_process(
            [sys.executable, str(SCRIPT), *arguments],
            env=environment(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )


async def test_one_client_is_answered_in_growing_pieces() -> None:
    async with pipeline_server() as server:
        ended = await sample("my-pipeline", "--url", server.url, "--message", "abc")
    output = ended.stdout.decode()
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert re.search(r"connected as [-0-9a-f]{36} \(person\)", output)
    assert "broadcast: welcome" in output
    assert "said: 'abc'" in output
    assert re.findall(r"answer (\d+)( \(final\))?: (\S+)", output) == [
        ("2", "", "'c'"),
        ("2", "", "'b'"),
        ("2", " (final)", "'a'"),
    ]
    assert output.endswith("disconnected (1000)\n1 of 1 answered\n")
    assert server.asked == [
        {"type": "ping"},
        {"type": "message", "message": [{"type": "Plain", "text": "abc"}]},
        {"type": "disconnect"},
    ]


async def test_several_in_a_group_each_get_their_own() -> None:
    async with pipeline_server() as server:
        ended = await sample("p", "--url", server.url, "--session-type", "group", "--multi", "5")
    output = ended.stdout.decode()
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert output.count("(group)") == 5
    for number in range(1, 6):
        assert re.search(rf"\[client {number}\] answer \d+ \(final\)", output)
    assert output.endswith("5 of 5 answered\n")
    assert sum(frame["type"] == "message" for frame in server.asked) == 5


async def test_a_credential() -> None:
    async with pipeline_server(token="ab_good") as server:
        assert (await sample("p", "--url", server.url, "--token", "ab_good")).returncode == 0
        refused = await sample("p", "--url", server.url, "--token", "ab_bad")
    assert refused.returncode == 1
    assert refused.stderr == b"[client 1] failed: Unauthorized\n"
    assert refused.stdout.endswith(b"0 of 1 answered\n")


async def test_nobody_there_and_bad_arguments() -> None:
    nobody = await sample("p", "--url", "ws://127.0.0.1:1")
    assert nobody.returncode == 1
    assert nobody.stderr.startswith(b"[client 1] failed: ")
    assert b"Traceback" not in nobody.stderr
    for arguments in ((), ("p", "--session-type", "crowd"), ("p", "--multi", "0")):
        assert (await sample(*arguments)).returncode == 2
