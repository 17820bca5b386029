"""The command line against a running engine: publish, tail, token."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import pytest
from websockets.exceptions import ConnectionClosed

from tests.e2e.clients import event_stream, gateway_socket, position, rest
from tests.e2e.conftest import Token
from tests.e2e.engine_process import PATIENCE, EngineProcess, environment
from tests.e2e.tcp_proxy import tcp_proxy


@contextmanager
def tail(address: str, *arguments: str, url: str, token: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "engine", "tail", address, "--url", url, "--token", token, *arguments]
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return list(islice(process.stdout, count))


def test_publish_prints_the_position(engine: EngineProcess, token: Token) -> None:
    key = token("press", "publish")
    arguments = ("--url", engine.url, "--token", key, "--idempotency-key", "k1")
    first = engine.run("publish", "app/news", "news.posted", '{"n": 1}', *arguments).stdout
    again = engine.run("publish", "app/news", "news.posted", '{"n": 1}', *arguments).stdout
    assert re.fullmatch(r"[\w-]+:[0-9]+\n", first)
    assert again == first
    with rest(engine.url, key) as api, event_stream(api, "app", "news", "0") as events:
        event = next(events)
    assert (event["event_type"], event["data"], position(event)) == ("news.posted", {"n": 1}, first.strip())


def test_publish_without_the_scope(engine: EngineProcess, token: Token) -> None:
    arguments = ("publish", "app/news", "x", "1", "--url", engine.url, "--token", token("alice"))
    refused = engine.run(*arguments, check=False)
    assert refused.returncode == 1
    assert "FORBIDDEN" in refused.stderr


def test_tail_follows_over_a_dropped_connection(engine: EngineProcess, token: Token) -> None:
    key = token("alice")
    with rest(engine.url, key) as api, tcp_proxy(engine.port) as proxy:
        task = api.post("/api/v1/tasks", json={"agent": "patient", "prompt": "one"}).json()
        where = ("--since", task["position"], "--json")
        with tail(f"task/{task['id']}", *where, url=proxy.url, token=key) as process:
            seen = lines(process, 4)
            proxy.drop()
            api.post(f"/api/v1/tasks/{task['id']}/turns", json={"prompt": "two"}).raise_for_status()
            seen += lines(process, 3)
            api.post(f"/api/v1/tasks/{task['id']}/turns", json={"prompt": "end"}).raise_for_status()
            seen += lines(process, 3)
            process.send_signal(signal.SIGINT)
            _, remarks = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0
    assert proxy.accepted >= 2
    assert "connection lost" in remarks
    events = [json.loads(line) for line in seen]
    assert [event["offset"] for event in events] == list(range(1, 11))
    assert events[-1]["event_type"] == "task.completed"


def test_tail_is_readable(engine: EngineProcess, token: Token) -> None:
    key = token("alice")
    with rest(engine.url, key) as api:
        task = api.post("/api/v1/tasks", json={"agent": "offline", "prompt": "6*7"}).json()
        with tail(f"task/{task['id']}", "--since", task["position"], url=engine.url, token=key) as process:
            assert process.stdout is not None
            text = ""
            while "task.completed" not in text:
                text += process.stdout.readline()
    assert re.search(r"^\d\d:\d\d:\d\d agent\.message  6\*7 = 42\.?$", text, re.MULTILINE)
    assert re.search(r"^\d\d:\d\d:\d\d task\.started  ", text, re.MULTILINE)


def test_a_revoked_key_ends_its_sockets_and_streams(engine: EngineProcess) -> None:
    key = engine.token("mallory")
    with gateway_socket(engine.socket_url, key) as client, rest(engine.url, key) as api:
        task = client.create("patient", "wait")
        with event_stream(api, "task", task["task_id"], "0") as events:
            next(events)
            engine.run("token", "revoke", key)
            assert api.get("/api/v1/tasks").status_code == 401
            with pytest.raises(ConnectionClosed) as closed:
                client.event()
            list(events)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401
        with gateway_socket(engine.socket_url) as again:
            assert not again.request("auth", {"token": key})["payload"]["success"]
        assert key not in engine.run("token", "list").stdout


def test_a_new_key_is_good_at_once(engine: EngineProcess) -> None:
    with rest(engine.url, engine.token("newcomer")) as api:
        assert api.get("/api/v1/tasks").status_code == 200
