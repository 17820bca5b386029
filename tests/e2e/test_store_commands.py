"""store, export, import and backup: the real commands on a real file, beside a real engine and without one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.clients import TERMINAL, event_stream, rest
from tests.e2e.engine_process import PATIENCE, EngineProcess, engine_process, environment


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with engine_process(tmp_path_factory.mktemp("source")) as running:
        yield running


def callboard(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A command in a folder where no engine runs."""
    command = [sys.executable, "-m", "engine", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=check
    )


def talk(client: httpx2.Client) -> tuple[str, list[str]]:
    """A conversation of two tasks that are over."""
    session: str = client.post("/api/v1/sessions", json={"title": "two"}).json()["id"]
    tasks: list[str] = []
    for word in ("one", "two"):
        asked = client.post("/api/v1/tasks", json={"agent": "offline", "prompt": word, "session_id": session})
        tasks.append(asked.json()["id"])
        with event_stream(client, "task", tasks[-1], "0") as events:
            assert next(event for event in events if event["event_type"] in TERMINAL)["event_type"] == "task.completed"
        with event_stream(client, "session", session, "0") as events:
            assert next(e for e in events if e["event_type"] == "done" and e["data"]["exec_id"] == tasks[-1])
    return session, tasks


def parsed(text: str) -> list[dict[str, Any]]:
    """The lines, but for what is another one each time: epochs, times, digests, and places in the lists of all."""
    passing = ("epoch", "exported_at", "sha256")
    lines = [{name: v for name, v in json.loads(line).items() if name not in passing} for line in text.splitlines()]
    for line in lines:
        if line["line"] == "record" and isinstance(line["data"], dict):
            line["data"].pop("serial", None)
    return lines


def epochs(text: str) -> set[str]:
    return {line["epoch"] for line in map(json.loads, text.splitlines()) if line["line"] == "topic"}


def test_a_conversation_moves_with_its_tasks(source: EngineProcess, tmp_path: Path) -> None:
    with rest(source.url) as client:
        session, tasks = talk(client)
        history = client.get(f"/api/v1/channels/task/{tasks[0]}/history", params={"limit": 1000}).json()["events"]
    exported = source.run("export", session, "--output", "session.jsonl")
    assert exported.stdout == ""
    text = (source.folder / "session.jsonl").read_text()
    lines = parsed(text)
    holds = ["records", "snapshots", "files", "events"]
    assert lines[0] == {"line": "export", "version": 1, "of": session, "holds": holds, "unfinished": []}
    assert [(line["channel"], line["topic"]) for line in lines if line["line"] == "topic"] == [
        ("session", session),
        ("task", tasks[0]),
        ("task", tasks[1]),
    ]
    alone = parsed(source.run("export", tasks[0]).stdout)
    assert [(line["offset"], line["type"], line["data"]) for line in alone if line["line"] == "event"] == [
        (event["offset"], event["event_type"], event["data"]) for event in history
    ]
    file = str(source.folder / "session.jsonl")
    assert "Imported 3 topics" in callboard(tmp_path, "import", file).stderr
    there = callboard(tmp_path, "export", session).stdout
    assert parsed(there) == lines
    assert epochs(there).isdisjoint(epochs(text))
    again = callboard(tmp_path, "import", file, check=False)
    assert again.returncode == 1
    assert again.stderr == f"Error: {file}: line 2: the session {session} is there already; nothing was imported\n"
    callboard(tmp_path, "import", file, "--replace")
    replaced = callboard(tmp_path, "export", session).stdout
    assert parsed(replaced) == lines
    assert epochs(replaced).isdisjoint(epochs(there))
    with engine_process(tmp_path):
        pass
    assert parsed(callboard(tmp_path, "export", session).stdout) == lines


def test_what_is_not_there_is_not_exported(source: EngineProcess) -> None:
    refused = source.run("export", "task-of-nobody", "--output", "nothing.jsonl", check=False)
    assert refused.returncode == 1
    assert refused.stderr == "Error: there is no task and no session 'task-of-nobody'\n"
    assert [file.name for file in source.folder.iterdir() if "nothing" in file.name] == []


def test_nothing_is_imported_beside_a_running_engine(source: EngineProcess) -> None:
    (source.folder / "some.jsonl").write_text("")
    refused = source.run("import", "some.jsonl", check=False)
    assert refused.returncode == 1
    assert refused.stderr == f"Error: in use by another engine: {source.folder / 'callboard.db'}; stop it first\n"


def test_a_backup_beside_a_busy_engine_is_whole_and_begins_new_epochs(source: EngineProcess, tmp_path: Path) -> None:
    stop, is_busy = threading.Event(), threading.Event()
    told: list[str] = []

    def publish() -> None:
        with rest(source.url, source.token("press", "publish")) as client:
            while not stop.is_set():
                event = {"channel": "app", "topic": "news", "event_type": "news", "data": {"text": "x" * 2_000}}
                told.append(client.post("/api/v1/publish", json=event).json()["position"])
                if len(told) == 20:
                    is_busy.set()

    writer = threading.Thread(target=publish)
    writer.start()
    try:
        assert is_busy.wait(PATIENCE)
        acknowledged = len(told)
        source.run("backup", str(tmp_path / "callboard.db"))
    finally:
        stop.set()
        writer.join(PATIENCE)
    assert [file.name for file in tmp_path.iterdir()] == ["callboard.db"]
    refused = source.run("backup", str(tmp_path / "callboard.db"), check=False)
    assert (refused.returncode, "is there already" in refused.stderr) == (1, True)
    with rest(source.url) as original, engine_process(tmp_path) as copy, rest(copy.url) as restored:
        path, asked = "/api/v1/channels/app/news/history", {"since": told[-1], "limit": "1000"}
        assert original.get(path, params=asked).json()["gap"] is None
        history = restored.get(path, params=asked).json()
        assert history["gap"]["reason"] == "epoch"
        kept = restored.get(path, params={"since": "0", "limit": 1000}).json()["events"]
        assert [event["offset"] for event in kept] == [*range(1, len(kept) + 1)]
        assert len(kept) >= acknowledged
        assert copy.stop() == 0
        [trouble] = copy.troubles()
        assert "not as it was left" in trouble["event"]


def test_a_copy_put_back_beside_the_log_of_the_former_file(tmp_path: Path) -> None:
    """SQLite would mix the two: neither the engine nor a command begins before somebody has decided."""
    event = {"channel": "app", "topic": "news", "event_type": "news", "data": {}}
    with engine_process(tmp_path) as engine, rest(engine.url, engine.token("press", "publish")) as client:
        first = client.post("/api/v1/publish", json=event).raise_for_status().json()["position"]
        engine.run("backup", "copy.db")
        client.post("/api/v1/publish", json=event).raise_for_status()
        engine.signal(signal.SIGKILL)
        engine.wait()
    log = tmp_path / "callboard.db-wal"
    (tmp_path / "copy.db").rename(tmp_path / "callboard.db")
    kept = (tmp_path / "callboard.db").read_bytes(), log.read_bytes()
    for command in (("store",), ("token", "list"), ("serve", "--port", "0")):
        refused = callboard(tmp_path, *command, check=False)
        assert refused.returncode == 1
        assert "callboard.db-wal is of a former callboard.db: delete it" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert kept == ((tmp_path / "callboard.db").read_bytes(), log.read_bytes())
    log.unlink()
    with engine_process(tmp_path) as engine, rest(engine.url) as client:
        page = client.get("/api/v1/channels/app/news/history", params={"since": first}).json()
        assert page["gap"]["reason"] == "epoch"
        assert [each["offset"] for each in page["events"]] == [1]
        assert engine.stop() == 0


def test_store_says_what_there_is(source: EngineProcess) -> None:
    with rest(source.url) as client:
        talk(client)
    lines = source.run("store").stdout.splitlines()
    assert lines[0].startswith("file     callboard.db, ")
    assert lines[1].endswith(" beside it")
    kinds = {line.split()[0]: line for line in lines}
    assert " topics, " in kinds["session"]
    assert "the oldest of 2" in kinds["task"]


def test_the_commands_want_a_file_that_is_there(tmp_path: Path) -> None:
    for command in (("store",), ("export", "x"), ("backup", "copy.db")):
        refused = callboard(tmp_path, *command, check=False)
        assert (refused.returncode, refused.stderr) == (1, "Error: callboard.db does not exist\n")
    assert [*tmp_path.iterdir()] == []


def test_retention_holds_on_the_disk(tmp_path: Path) -> None:
    config = "[retention.app]\nevents = 50\n[store]\nmax_bytes = 100_000_000\n"
    with engine_process(tmp_path, config) as engine, rest(engine.url, engine.token("press", "publish")) as client:
        for _ in range(120):
            event = {"channel": "app", "topic": "news", "event_type": "news", "data": {}}
            position = client.post("/api/v1/publish", json=event).json()["position"]
        assert position.endswith(":120")
        path = "/api/v1/channels/app/news/history"
        first = f"{position.partition(':')[0]}:0"
        trimmed(client, path, first)
        engine.signal(signal.SIGKILL)
        engine.wait()
    # Readers hear of a floor before it is kept: where it was not, it is raised anew.
    with engine_process(tmp_path, config) as engine, rest(engine.url) as client:
        trimmed(client, path, first)


def trimmed(client: httpx2.Client, path: str, first: str) -> None:
    """Returns once of 120 events the oldest 70 are gone, and a reader is told so."""
    page: dict[str, Any] = {"gap": None}
    while page["gap"] is None:
        page = client.get(path, params={"since": first, "limit": 1000}).json()
    assert page["gap"] == {"from": 1, "to": 70, "reason": "retention"}
    assert [event["offset"] for event in page["events"]] == [*range(71, 121)]
