"""Brings Autobahn's suite here, into `build/autobahn`, and runs it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import trio

from tests.autobahn.results import AGENT, Results, read_results

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "autobahn"
REPORTS = BUILD / "reports"
LOG = BUILD / "wstest.log"
SECTIONS = ("1", "2", "3", "4", "5", "6", "7", "9", "10")
"""All but 12 and 13: permessage-deflate, which is not offered. The suite has no section 8 or 11."""

_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")


class SuiteError(Exception):
    """The suite could not be installed, or did not run to its end."""


def find_python27() -> Path | None:
    """An interpreter of version 2.7, from the PATH or pyenv; what stands for none, as pyenv's shims may, is passed
    over."""
    found = [Path(program)] if (program := shutil.which("python2.7")) else []
    found += sorted((Path.home() / ".pyenv" / "versions").glob("2.7*/bin/python2.7"), reverse=True)
    return next((python for python in found if _is_27(python)), None)


def install(python27: Path) -> Path:
    """The suite's program, in an environment of the locked versions."""
    environment = BUILD / "python2.7"
    program = environment / "bin" / "wstest"
    stamp = environment / ".lock-digest"
    locks = [HERE / "virtualenv.lock", HERE / "requirements-2.7.lock"]
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    if not (stamp.exists() and stamp.read_text() == digest):
        # The last virtualenv that knows Python 2.7; it wants none of its versions among ours.
        tools = BUILD / "virtualenv"
        _run(sys.executable, "-m", "venv", "--clear", str(tools))
        _run(str(tools / "bin" / "python"), *_PIP, "-r", str(locks[0]))
        make = ("-m", "virtualenv", "--quiet", "--no-download", "--clear", "--python", str(python27))
        _run(str(tools / "bin" / "python"), *make, str(environment))
        # No build isolation: what a package is built with is not fetched unlocked.
        _run(str(environment / "bin" / "python"), *_PIP, "--no-build-isolation", "-r", str(locks[1]))
        stamp.write_text(digest)
    return program


async def run(program: Path, port: int, progress: Callable[[str], None]) -> Results:
    """Runs all sections against a server on this port of loopback; `progress` is told each case as it begins.

    Raises SuiteError unless every case has a result.
    """
    shutil.rmtree(REPORTS, ignore_errors=True)
    spec = BUILD / "fuzzingclient.json"
    spec.write_bytes(
        msgspec.json.encode(
            {
                "outdir": str(REPORTS),
                "servers": [{"agent": AGENT, "url": f"ws://127.0.0.1:{port}"}],
                "cases": [f"{section}.*" for section in SECTIONS],
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
        )
    )
    command = [str(program), "--mode", "fuzzingclient", "--spec", str(spec)]
    with LOG.open("wb") as log:
        status = await _follow(command, log.write, progress)
    try:
        results = read_results(REPORTS / "index.json")
    except (OSError, msgspec.DecodeError) as error:
        raise SuiteError(f"wstest ended with {status} and no results ({error}); see {LOG}") from None
    announced = re.search(rb"will run (\d+) test cases", LOG.read_bytes())
    if announced is None or len(results.cases) != int(announced[1]):
        raise SuiteError(f"{len(results.cases)} cases have a result, and not all that wstest announced; see {LOG}")
    return results


async def _follow(
    command: list[str], keep: Callable[[bytes | bytearray], object], progress: Callable[[str], None]
) -> int:
    """Runs the command and returns its exit status."""
    async with trio.open_nursery() as nursery:
        start = partial(
            trio.run_process,
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        process: trio.Process = await nursery.start(start)
        assert process.stdout is not None
        line = b""
        async for data in process.stdout:
            keep(data)
            *lines, line = (line + data).split(b"\n")
            for text in lines:
                if case := re.search(rb"Running test case ID (\S+)", text):
                    progress(case[1].decode())
    assert process.returncode is not None
    return process.returncode


def _is_27(python: Path) -> bool:
    check = "import sys; sys.exit(sys.version_info[:2] != (2, 7))"
    return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise SuiteError(f"`{' '.join(command[:4])} …` failed: {' '.join(last)}")
