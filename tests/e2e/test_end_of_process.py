"""How an engine ends: drained by a signal, at once by a second one, by its deadlines, or killed and started again."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from tests.e2e.clients import Socket, event_stream, gateway_socket, rest, stream_until
from tests.e2e.engine_process import EngineProcess, engine_process

QUICK = """
[server]
drain_seconds = {drain}
[timeouts]
stop_seconds = 0.2
cancel_seconds = 0.2
"""


def close_code(client: Socket) -> int:
    """The code with which the server closes, after whatever events are still to come."""
    with pytest.raises(ConnectionClosed) as closed:
        client.events_until("no type of event")
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def is_refused(engine: EngineProcess) -> bool:
    try:
        socket.create_connection(("127.0.0.1", engine.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(number: signal.Signals, tmp_path: Path) -> None:
    with (
        engine_process(tmp_path, QUICK.format(drain=10)) as engine,
        gateway_socket(engine.socket_url) as client,
        rest(engine.url) as api,
    ):
        client.subscribe("task")
        task = client.create("witness", "300")
        with event_stream(api, "task", task["task_id"], "0") as events:
            next(events)
            client.events_until("burst.tick")
            engine.signal(number)
            engine.wait_log("draining")
            assert close_code(client) == 1012
            # The stream ends as HTTP has it: a broken one would raise.
            rest_of_stream = [event["event_type"] for event in events]
        assert is_refused(engine)
        assert engine.wait() == 0
    assert "task.completed" not in rest_of_stream
    assert (tmp_path / "witness.txt").read_text() == "finished"
    assert [line["event"] for line in engine.log][-2:] == ["draining", "stopped"]
    assert engine.troubles() == []


def test_a_running_task_is_cancelled_at_the_deadline(tmp_path: Path) -> None:
    with engine_process(tmp_path, QUICK.format(drain=0.3)) as engine, gateway_socket(engine.socket_url) as client:
        client.subscribe("task")
        client.create("witness", "1000000")
        client.events_until("agent.message")
        engine.signal(signal.SIGTERM)
        assert close_code(client) == 1012
        assert engine.wait() == 0
        assert engine.troubles() == []
    assert (tmp_path / "witness.txt").read_text() == "cancelled"


def test_clients_that_have_stopped_reading_hold_nobody_up(tmp_path: Path) -> None:
    with (
        engine_process(tmp_path, QUICK.format(drain=1)) as engine,
        gateway_socket(engine.socket_url, receive_buffer=4096) as stalled,
        gateway_socket(engine.socket_url) as reader,
        socket.socket() as stalled_stream,
    ):
        stalled.subscribe("task")
        reader.subscribe("task")
        task = reader.create("flood", "3000")
        stalled_stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled_stream.connect(("127.0.0.1", engine.port))
        path = f"/api/v1/channels/task/{task['task_id']}/events?since=0"
        stalled_stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert stalled_stream.recv(12) == b"HTTP/1.1 200"
        reader.events_until()
        engine.signal(signal.SIGTERM)
        assert close_code(reader) == 1012
        assert engine.wait() == 0
        assert engine.troubles() == []


def test_an_agent_that_does_not_stop_is_left_behind_and_reported(tmp_path: Path) -> None:
    with engine_process(tmp_path, QUICK.format(drain=0.2)) as engine, gateway_socket(engine.socket_url) as client:
        client.subscribe("task")
        client.create("stubborn", "stay")
        client.events_until("agent.message")
        engine.signal(signal.SIGTERM)
        assert engine.wait() == 1
    assert "outlives every deadline" in engine.text
    assert [line for line in engine.troubles() if "stubborn" in str(line) or "task-" in str(line)]


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with engine_process(tmp_path, QUICK.format(drain=60)) as engine, gateway_socket(engine.socket_url) as client:
        client.create("patient", "wait")
        engine.signal(signal.SIGTERM)
        assert close_code(client) == 1012
        engine.signal(signal.SIGINT)
        assert engine.wait() == -signal.SIGINT


def test_after_a_kill_the_same_port_and_the_same_keys(tmp_path: Path) -> None:
    config = "[auth]\nrequired = true\n"
    with engine_process(tmp_path, config) as engine:
        key, port = engine.token("alice"), engine.port
        with gateway_socket(engine.socket_url, key) as client:
            task = client.create("burst", "5")
            engine.signal(signal.SIGKILL)
            assert engine.wait() == -signal.SIGKILL
    with engine_process(tmp_path, config, port=port) as engine, rest(engine.url, key) as api:
        assert engine.port == port
        assert [one["id"] for one in api.get("/api/v1/tasks").json()["tasks"]] == [task["task_id"]]
        again = api.post("/api/v1/tasks", json={"agent": "burst", "prompt": "2"}).json()
        with event_stream(api, "task", again["id"], "0") as events:
            assert stream_until(events)[-1]["event_type"] == "task.completed"


def test_a_port_in_use_is_a_plain_message(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        engine = EngineProcess(tmp_path, port)
        try:
            assert engine.wait() == 1
        finally:
            engine.kill()
    said = engine.text + str(engine.log)
    assert str(port) in said
    assert "in use" in said
    assert "Traceback" not in said


def test_every_mistake_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "callboard.toml").write_text('[server]\nprot = 1\nport = "x"\n[limits]\nconnections = 0\n')
    engine = EngineProcess(tmp_path, None)
    try:
        assert engine.wait() == 1
    finally:
        engine.kill()
    lines = engine.text.splitlines()
    assert [line for line in lines if "prot" in line and "did you mean" in line]
    assert [line for line in lines if "server.port" in line]
    assert [line for line in lines if "limits.connections" in line]
    assert "Traceback" not in engine.text


def test_idle_http_connections_do_not_delay_the_end(tmp_path: Path) -> None:
    with engine_process(tmp_path) as engine, rest(engine.url) as api:
        assert api.get("/healthz").status_code == 200
        engine.signal(signal.SIGTERM)
        assert engine.wait() == 0
        with pytest.raises(httpx2.TransportError):
            api.get("/healthz")
