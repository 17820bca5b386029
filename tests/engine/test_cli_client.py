"""`publish` and `tail` against a real server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from engine.cli import callboard
from tests.engine.scripted_server import Answer, ScriptedServer, block, json_answer

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def event(event_type: str, data: object, offset: int) -> bytes:
    body = {"event_type": event_type, "data": data, "offset": offset, "epoch": "e", "timestamp": 1_700_000_000_000}
    return block(event_type, json.dumps(body).encode(), f"e:{offset}")


async def run(*arguments: str, stdin: str | None = None) -> Result:
    invoke: Callable[[], Result] = lambda: CliRunner().invoke(callboard, arguments, input=stdin)  # noqa: E731  # typed
    return await trio.to_thread.run_sync(invoke)


async def test_publish(nursery: trio.Nursery) -> None:
    server = ScriptedServer([json_answer(200, b'{"position": "e:7", "duplicate": false}')] * 2)
    url = await server.start(nursery)
    arguments = ("publish", "app/news", "news.posted", '{"a": [1]}', "--url", url)
    result = await run(*arguments, "--token", "ab_x", "--idempotency-key", "k1")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "e:7\n", "")
    (request,) = server.requests
    assert (request.method, request.target, request.headers["authorization"]) == (
        "POST",
        "/api/v1/publish",
        "Bearer ab_x",
    )
    assert json.loads(request.body) == {
        "channel": "app",
        "topic": "news",
        "event_type": "news.posted",
        "data": {"a": [1]},
        "idempotency_key": "k1",
    }
    result = await run("publish", "app/news", "x", "-", "--url", url, stdin="null")
    assert result.exit_code == 0
    assert json.loads(server.requests[1].body) == {"channel": "app", "topic": "news", "event_type": "x", "data": None}
    assert "authorization" not in server.requests[1].headers


async def test_publish_tells_what_the_server_says(nursery: trio.Nursery) -> None:
    answers = [json_answer(403, b'{"error": {"code": "FORBIDDEN", "message": "publish needs a scope"}}')]
    url = await ScriptedServer([*answers, json_answer(502, b"oops"), json_answer(200, b"{}")]).start(nursery)
    arguments = ("publish", "app/news", "x", "1", "--url", url)
    told = [(await run(*arguments)) for _ in range(3)]
    assert [(result.exit_code, result.stdout) for result in told] == [(1, "")] * 3
    assert [result.stderr for result in told] == [
        "Error: FORBIDDEN: publish needs a scope\n",
        f"Error: HTTP 502 Bad Gateway from {url}/api/v1/publish\n",
        f"Error: {url} did not answer as a Callboard server does\n",
    ]


async def test_publish_without_a_server(nursery: trio.Nursery) -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    result = await run("publish", "app/news", "x", "1", "--url", f"http://127.0.0.1:{port}")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: http://127.0.0.1:{port}: ")


@pytest.mark.parametrize(
    "arguments",
    [("app", "x", "1"), ("app/", "x", "1"), ("/t", "x", "1"), ("app/a b", "x", "1"), ("app/t", "9", "1"),
     ("app/t", "x", "{"), ("app/t", "x", "1", "--url", "ftp://h"), ("app/t", "x", "1", "--url", "nowhere")],
)  # fmt: skip
async def test_publish_refuses_what_cannot_be_meant(arguments: tuple[str, ...]) -> None:
    assert (await run("publish", *arguments)).exit_code == 2


GONE = json_answer(404, b'{"error": {"code": "NOT_FOUND", "message": "no such task"}}')


async def test_tail_resumes_after_a_drop(nursery: trio.Nursery) -> None:
    first = (block("subscribed", b"{}", "e:4"), event("agent.message", {"content": "Hel"}, 5))
    second = (event("agent.message", {"content": "lo"}, 6), event("task.completed", {"result": 1}, 7))
    server = ScriptedServer([Answer(chunks=first, end="drop"), Answer(chunks=second), GONE])
    url = await server.start(nursery)
    result = await run("tail", "task/t-1", "--url", url, "--token", "ab_x", "--since", "e:4")
    assert result.exit_code == 1
    assert [line.partition(" ")[2] for line in result.stdout.splitlines()] == [
        "agent.message  Hel",
        "agent.message  lo",
        'task.completed  {"result":1}',
    ]
    assert result.stderr.count("connection lost: ") == 2
    assert result.stderr.endswith("Error: NOT_FOUND: no such task\n")
    targets = [(request.target, request.headers.get("last-event-id")) for request in server.requests]
    path = "/api/v1/channels/task/t-1/events"
    assert targets == [(f"{path}?since=e%3A4", None), (path, "e:5"), (path, "e:7")]
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer ab_x"}


async def test_tail_as_json(nursery: trio.Nursery) -> None:
    blocks = (block("subscribed", b"{}", "e:4"), event("x", {"a": 1}, 5), event("gap", {"from": 6, "to": 8}, 8))
    url = await ScriptedServer([Answer(chunks=blocks), GONE]).start(nursery)
    result = await run("tail", "app/t", "--url", url, "--json")
    assert [json.loads(line)["data"] for line in result.stdout.splitlines()] == [{"a": 1}, {"from": 6, "to": 8}]


async def test_tail_refuses_a_bad_position() -> None:
    assert (await run("tail", "app/t", "--since", "yesterday")).exit_code == 2


async def test_tail_writes_as_it_comes_and_ends_at_an_interrupt(nursery: trio.Nursery) -> None:
    blocks = (block("subscribed", b"{}", "e:4"), event("agent.message", {"content": "half a sen"}, 5))
    url = await ScriptedServer([Answer(chunks=blocks, end="stay")]).start(nursery)
    command = [sys.executable, "-m", "engine", "tail", "task/t", "--url", url]
    process = await trio.lowlevel.open_process(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    text = b""
    with trio.fail_after(30):
        while not text.endswith(b"half a sen"):
            piece = await process.stdout.receive_some()
            assert piece
            text += piece
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        assert await process.stdout.receive_some() == b"\n"
        assert await process.stderr.receive_some() == b""
    assert b"\x1b" not in text
