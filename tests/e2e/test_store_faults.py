"""The disk of a running engine fails in earnest: writes are refused, all else goes on, and nothing is lost by it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.broken_disk import BrokenDisk
from tests.e2e.clients import rest
from tests.e2e.engine_process import EngineProcess, engine_process
from tests.e2e.small_disk import small_disk
from tests.e2e.store_fault import APART, OPEN, Board, assert_refused, go_through, kept_numbers


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    (tmp_path / "data").mkdir()
    with engine_process(tmp_path, APART) as running:
        yield running


def test_a_disk_that_fails_every_write(engine: EngineProcess) -> None:
    disk = BrokenDisk(engine)
    go_through(engine, disk.fail, disk.mend, disk.REASON)


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    ballast = tmp_path / "data" / "ballast"
    ballast.parent.mkdir()
    with small_disk(ballast.parent), engine_process(tmp_path, APART) as engine:
        go_through(engine, lambda: _fill(ballast), ballast.unlink, "full")


def test_another_process_that_holds_the_database(engine: EngineProcess) -> None:
    other = sqlite3.connect(engine.folder / "data" / "callboard.db", isolation_level=None)

    def hold() -> None:
        other.execute("BEGIN EXCLUSIVE")

    go_through(engine, hold, other.close, "locked")


def test_a_folder_that_vanishes_and_comes_back(engine: EngineProcess) -> None:
    folder, elsewhere = engine.folder / "data", engine.folder / "elsewhere"

    def vanish() -> None:
        folder.rename(elsewhere)

    def come_back() -> None:
        elsewhere.rename(folder)

    go_through(engine, vanish, come_back, "No such file")


def test_a_file_that_is_overwritten_with_garbage(engine: EngineProcess) -> None:
    path = engine.folder / "data" / "callboard.db"
    kept = path.read_bytes()

    def overwrite(content: bytes) -> None:
        with path.open("r+b") as file:
            file.write(content)

    go_through(engine, lambda: overwrite(b"garbage!" * (len(kept) // 8)), lambda: overwrite(kept), "not a database")


def test_a_file_that_has_come_to_its_limit(tmp_path: Path) -> None:
    config = OPEN + "[store]\nmax_bytes = 1048576\n"
    with engine_process(tmp_path, config) as engine, rest(engine.url) as client:
        uploads = "/api/v1/pipelines/support/ws/uploads"
        assert client.post(uploads, content=bytes(600_000)).status_code == 413
        board = Board(client)
        while (answer := board.publish(size=60_000)).status_code == 200:
            assert len(board.acknowledged) < 100
        assert_refused(answer, "full")
        refused = client.post("/api/v1/pipelines/p1/ws/uploads", content=bytes(range(256)) * 400)
        assert (refused.status_code, refused.json()["code"]) == (503, -1)
        assert "full" in refused.json()["msg"]
        assert int(refused.headers["Retry-After"]) >= 1
        # What still has room is taken again, in a moment. That the file is full is so all the same, and told once.
        for _ in range(3):
            while (answer := board.publish()).status_code != 200:
                assert_refused(answer, "full")
            assert_refused(client.get("/readyz"), "full")
            assert "callboard_store_failing 1.0" in client.get("/metrics").text
            assert_refused(board.publish(size=60_000), "full")
        assert board.read() == board.acknowledged
        engine.kill()
        told = [line["event"] for line in engine.log if line["event"].startswith("the store ")]
        assert told == ["the store fails: nothing is taken that must be kept"]
    assert kept_numbers(tmp_path / "callboard.db") == board.acknowledged
    with engine_process(tmp_path, OPEN) as engine, rest(engine.url) as client:
        assert Board(client).read() == board.acknowledged


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
