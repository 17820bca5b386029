"""The same port with TLS: wss, https and event streams, over HTTP/1.1 and HTTP/2, with clients of others."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme
import websockets
from websockets.exceptions import ConnectionClosed

from tests.e2e.clients import assert_gapless, event_stream, gateway_socket, rest, stream_until
from tests.e2e.engine_process import PATIENCE, EngineProcess, engine_process

CONFIG = """
[auth]
required = true
[server]
tls_cert = "cert.pem"
tls_key = "key.pem"
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """A new one for each client: HTTP/2 changes what a context offers."""
    return context_of(authority)


def context_of(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def write_certificate(authority: trustme.CA, folder: Path) -> None:
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    authority.cert_pem.write_to_path(folder / "authority.pem")


@pytest.fixture(scope="module")
def secure(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    folder = tmp_path_factory.mktemp("secure")
    write_certificate(authority, folder)
    with engine_process(folder, CONFIG, verify=context_of(authority)) as engine:
        yield engine


@pytest.fixture(scope="module")
def key(secure: EngineProcess) -> str:
    return secure.token("alice")


def test_wss(secure: EngineProcess, key: str, tls: ssl.SSLContext) -> None:
    assert secure.socket_url.startswith("wss://")
    with gateway_socket(secure.socket_url, key, tls=tls) as client:
        client.subscribe("task")
        client.create("flood", "500")
        events = client.events_until()
    assert_gapless(events)
    assert sum(len(event["data"]["content"]) for event in events if event["event_type"] == "agent.message") == 500 << 10


@pytest.mark.parametrize("http2", [False, True])
def test_requests_and_event_streams(secure: EngineProcess, key: str, tls: ssl.SSLContext, http2: bool) -> None:
    with rest(secure.url, key, verify=tls, http2=http2) as api:
        created = api.post("/api/v1/tasks", json={"agent": "flood", "prompt": "500"})
        assert created.status_code == 201
        assert created.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        task = created.json()
        with event_stream(api, "task", task["id"], task["position"]) as events:
            # On HTTP/2 the stream and this request share one connection.
            assert api.get("/healthz").status_code == 200
            seen = stream_until(events)
    assert_gapless(seen)
    text = "".join(event["data"]["content"] for event in seen if event["event_type"] == "agent.message")
    assert text == "".join(f"{number:<1024}" for number in range(1, 501))


def test_many_requests_and_streams_on_one_http2_connection(
    secure: EngineProcess, key: str, tls: ssl.SSLContext
) -> None:
    with rest(secure.url, key, verify=tls, http2=True) as api:
        tasks = [api.post("/api/v1/tasks", json={"agent": "patient", "prompt": str(n)}).json() for n in range(5)]
        before = api.get("/api/v1/tasks").extensions["network_stream"].get_extra_info("client_addr")
        for task in reversed(tasks):
            with event_stream(api, "task", task["id"], "0") as events:
                assert stream_until(events, "agent.message")[-1]["data"]["content"] == f"turn 1: {task['prompt']}"
                assert api.post(f"/api/v1/tasks/{task['id']}/cancel").status_code in (200, 202)
                assert stream_until(events)[-1]["event_type"] == "task.cancelled"
        after = api.get("/api/v1/tasks").extensions["network_stream"].get_extra_info("client_addr")
    assert after == before


@pytest.mark.parametrize("http2", [False, True])
def test_steps_over_a_stream_and_posts(secure: EngineProcess, tls: ssl.SSLContext, http2: bool) -> None:
    with rest(secure.url, secure.token("steps"), verify=tls, http2=http2) as api, api.stream("GET", "/sse") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        client_id = steps_until(lines, "connected")["data"]["clientId"]
        posted = api.post("/task", json={"task": "3", "agent": "burst", "clientId": client_id})
        assert posted.json()["success"] is True
        complete = steps_until(lines, "task:complete")
        assert (complete["data"]["success"], complete["data"]["taskId"]) == (True, posted.json()["taskId"])
        assert api.post("/command", json={"type": "get:tools", "clientId": client_id}).json() == {"success": True}
        assert steps_until(lines, "tools:list")["data"]["tools"]
        assert stream.http_version == ("HTTP/2" if http2 else "HTTP/1.1")


def steps_until(lines: Iterator[str], kind: str) -> Any:
    for line in lines:
        if line.startswith("data: ") and (message := json.loads(line.removeprefix("data: ")))["type"] == kind:
            return message
    raise AssertionError(f"the stream ended before a {kind}")


async def _talk(url: str, key: str, tls: ssl.SSLContext) -> list[str]:
    async with websockets.connect(url, ssl=tls, proxy=None) as socket:
        pong = await socket.ping()
        await socket.send(json.dumps({"id": 1, "type": "auth", "payload": {"token": key}}))
        await socket.send(json.dumps({"id": 2, "type": "subscribe", "payload": {"channel": "task"}}))
        create = {"action": "create", "data": {"agent": "burst", "prompt": "3"}}
        await socket.send(json.dumps({"id": 3, "type": "task.action", "payload": create}))
        said = []
        async for message in socket:
            frame = json.loads(message)
            said.append(frame["payload"].get("event_type") or frame["type"])
            if said[-1] == "task.completed":
                break
        await pong
    return said


def test_the_asyncio_client_of_websockets(secure: EngineProcess, key: str, tls: ssl.SSLContext) -> None:
    said = asyncio.run(asyncio.wait_for(_talk(secure.socket_url, key, tls), PATIENCE))
    assert said[:2] == ["auth.result", "subscribed"]
    assert sorted(said[2:]) == sorted(
        [
            "task.result",
            "task.started",
            "task.turn_started",
            *["agent.message"] * 3,
            "task.turn_completed",
            "task.completed",
        ]
    )


# The suite needs no curl; where one is, it is one more client.
if shutil.which("curl"):

    @pytest.mark.parametrize("version", ["--http1.1", "--http2"])
    def test_curl(secure: EngineProcess, key: str, version: str) -> None:
        common = ["curl", "--silent", "--show-error", "--max-time", "10", "--noproxy", "*", version]
        common += ["--cacert", str(secure.folder / "authority.pem"), "-H", f"Authorization: Bearer {key}"]
        body = json.dumps({"agent": "burst", "prompt": "3"})
        create = [*common, "--json", body, "-w", "\n%{http_code} %{http_version}", f"{secure.url}/api/v1/tasks"]
        answer, _, status = subprocess.check_output(create, text=True).rpartition("\n")
        assert status == ("201 1.1" if version == "--http1.1" else "201 2")
        stream = f"{secure.url}/api/v1/channels/task/{json.loads(answer)['id']}/events?since=0"
        with subprocess.Popen([*common, "--no-buffer", stream], text=True, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            kinds = []
            while "task.completed" not in kinds:
                line = process.stdout.readline()
                assert line
                if line.startswith("event: "):
                    kinds.append(line.removeprefix("event: ").strip())
            process.terminate()
        assert kinds[0] == "subscribed"
        assert kinds.count("agent.message") >= 1


def test_plain_http_is_refused_on_a_tls_port(secure: EngineProcess, key: str) -> None:
    with (
        rest(secure.url.replace("https", "http"), key) as api,
        pytest.raises(httpx2.TransportError),
    ):
        api.get("/healthz")


@pytest.mark.parametrize("http2", [False, True])
def test_a_drain_reaches_its_clients(authority: trustme.CA, tmp_path: Path, http2: bool) -> None:
    write_certificate(authority, tmp_path)
    with (
        engine_process(tmp_path, CONFIG, verify=context_of(authority)) as engine,
        rest(engine.url, (key := engine.token("alice")), verify=context_of(authority), http2=http2) as api,
        gateway_socket(engine.socket_url, key, tls=context_of(authority)) as client,
    ):
        task = client.create("burst", "300")
        with event_stream(api, "task", task["task_id"], "0") as events:
            next(events)
            engine.signal(signal.SIGTERM)
            # Both ends are orderly: a broken stream would raise.
            assert "task.completed" not in [event["event_type"] for event in events]
        with pytest.raises(ConnectionClosed) as closed:
            client.event()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert engine.wait() == 0
        assert engine.troubles() == []
