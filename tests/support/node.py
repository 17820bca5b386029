"""Node and the npm packages of `tests/node`, for tests that run independent clients and servers."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

_ROOT = Path(__file__).resolve().parents[2]
FOLDER = _ROOT / "tests" / "node"
_UI_FOLDER = _ROOT / "tests" / "node_ui"
_BROWSER_FOLDER = _ROOT / "tests" / "node_browser"
PACKAGE = _ROOT / "clients" / "js"
_MAJOR = 20
_HINT = f"Node {_MAJOR} or later with npm is needed: https://nodejs.org, or `nvm install {_MAJOR}`"


def node() -> str:
    """The path of a usable `node`, the packages of `tests/node` installed beside it.

    Run scripts with `cwd=FOLDER`, or place them there, so that Node finds the packages. Without Node or its packages
    the test skips; where the environment names CI it fails. Call it first in a fixture that is not async: pytest-trio
    loses the reason of a skip in an async test.
    """
    found, problem = _prepared()
    return found if not problem else unusable(problem)


def client_package() -> str:
    """The path of the module that `clients/js` builds. Skips and fails as `node` does."""
    node()
    built, problem = _built()
    return built if not problem else unusable(problem)


def ui_folder() -> Path:
    """The folder of scripts that run npm packages for pages, these installed beside them. Skips and fails as `node`
    does."""
    return _prepared_folder(_UI_FOLDER)


def browser_folder() -> Path:
    """The folder of scripts that drive a browser, their packages installed beside them. Skips and fails as `node`
    does."""
    return _prepared_folder(_BROWSER_FOLDER)


def unusable(problem: str) -> NoReturn:
    """Skips the test; where the environment names CI, fails it."""
    if os.environ.get("CI"):
        pytest.fail(problem)
    pytest.skip(problem)


def _prepared_folder(folder: Path) -> Path:
    node()
    problem = _folder_installed(folder)
    return folder if not problem else unusable(problem)


@cache
def _prepared() -> tuple[str, str]:
    """Node's path and what is wrong with it."""
    path, npm = shutil.which("node"), shutil.which("npm")
    if path is None or npm is None:
        return "", _HINT
    version = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < _MAJOR:
        return "", f"node {version.strip()} is too old. {_HINT}"
    with _locked(FOLDER):
        return path, _installed(FOLDER)


@cache
def _folder_installed(folder: Path) -> str:
    """What is wrong with it."""
    with _locked(folder):
        return _installed(folder)


@cache
def _built() -> tuple[str, str]:
    """The module's path and what is wrong with it."""
    with _locked(PACKAGE):
        problem = _installed(PACKAGE) or _npm(PACKAGE, "run", "build")
        return str(PACKAGE / "dist" / "index.js"), problem


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Several test processes may share a checkout."""
    with (folder / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _installed(folder: Path) -> str:
    """Installs what the lock file names, once for each lock file. Returns what went wrong."""
    stamp = folder / "node_modules" / ".lock-hash"
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return ""
    problem = _npm(folder, "ci", "--ignore-scripts")
    if not problem:
        stamp.write_text(wanted)
    return problem


def _npm(folder: Path, *arguments: str) -> str:
    """Returns what went wrong."""
    command = f"`npm {' '.join(arguments)}` in {folder.relative_to(_ROOT)}"
    try:
        done = subprocess.run(["npm", *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return f"{command} took longer than 300 seconds"
    return f"{command} failed: {(done.stderr or done.stdout).strip()[-500:]}" if done.returncode else ""
