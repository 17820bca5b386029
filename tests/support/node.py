"""Node and the npm packages of `tests/node`, for tests that run independent clients and servers."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "node"
_MAJOR = 20
_HINT = f"Node {_MAJOR} or later with npm is needed: https://nodejs.org, or `nvm install {_MAJOR}`"


def node() -> str:
    """The path of a usable `node`, the packages of `tests/node` installed beside it.

    Run scripts with `cwd=FOLDER`, or place them there, so that Node finds the packages. Without Node or its packages
    the test skips; where the environment names CI it fails. Call it first in a fixture that is not async: pytest-trio
    loses the reason of a skip in an async test.
    """
    found, problem = _prepared()
    if problem:
        if os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)
    return found


@cache
def _prepared() -> tuple[str, str]:
    """Node's path and what is wrong with it."""
    path, npm = shutil.which("node"), shutil.which("npm")
    if path is None or npm is None:
        return "", _HINT
    version = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < _MAJOR:
        return "", f"node {version.strip()} is too old. {_HINT}"
    with (FOLDER / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may share a checkout
        return path, _installed(npm)


def _installed(npm: str) -> str:
    """Installs what the lock file names, once for each lock file. Returns what went wrong."""
    stamp = FOLDER / "node_modules" / ".lock-hash"
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return ""
    try:
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts"], cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False
        )
    except subprocess.TimeoutExpired:
        return "`npm ci` in tests/node took longer than 300 seconds"
    if done.returncode:
        return f"`npm ci` in tests/node failed: {done.stderr.strip()[-500:]}"
    stamp.write_text(wanted)
    return ""
