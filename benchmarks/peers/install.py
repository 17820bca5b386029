"""Brings the peers here when they are asked for, into `build/peers`: not into the system or Callboard's environment."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
SERVERS = HERE / "servers"
BUILD = HERE.parent.parent / "build" / "peers"
DEBIAN_PACKAGES = ("nginx", "libnginx-mod-nchan")
NGINX_HOME = Path("/var/lib/nginx")
"""Compiled into Debian's nginx. Its own configuration can name another folder, but Nchan makes one there regardless."""
TIMEOUT = 300


class MissingPeerError(Exception):
    """A peer cannot be had here; the message says what is lacking."""


def python() -> Path:
    """The interpreter of an environment that holds the Python peers in their locked versions."""
    venv, lock = BUILD / "python", HERE / "requirements.lock"
    interpreter = venv / "bin" / "python"
    if not _is_current(venv, lock):
        _run([sys.executable, "-m", "venv", "--clear", str(venv)])
        install = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*install, "--require-hashes", "--only-binary", ":all:", "-r", str(lock)])
        _mark(venv, lock)
    return interpreter


def node() -> tuple[str, Path]:
    """Node, and a folder with the server's script beside its packages."""
    program, npm, folder = shutil.which("node"), shutil.which("npm"), BUILD / "node"
    if program is None or npm is None:
        raise MissingPeerError("node and npm are not installed")
    lock = SERVERS / "package-lock.json"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SERVERS / "with_ws.mjs", folder)
    if not _is_current(folder, lock):
        for file in ("package.json", "package-lock.json"):
            shutil.copy(SERVERS / file, folder)
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
        _mark(folder, lock)
    return program, folder


def nginx() -> tuple[Path, Path]:
    """nginx and its module Nchan from Debian's packages, unpacked and not installed."""
    if not NGINX_HOME.is_dir():
        raise MissingPeerError(f"Nchan needs the folder {NGINX_HOME}: make it, or install nginx-common")
    folder = BUILD / "nginx"
    program, module = folder / "usr/sbin/nginx", folder / "usr/lib/nginx/modules/ngx_nchan_module.so"
    if not (program.exists() and module.exists()):
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            raise MissingPeerError("it is taken from Debian's packages, and this is no Debian")
        folder.mkdir(parents=True, exist_ok=True)
        _run(["apt-get", "download", "-q", *DEBIAN_PACKAGES], folder)
        for package in folder.glob("*.deb"):
            _run(["dpkg", "-x", str(package), str(folder)])
    return program, module


def _run(command: Sequence[str], folder: Path | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise MissingPeerError(f"`{command[0]}` took longer than {TIMEOUT} seconds") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise MissingPeerError(f"`{' '.join(command[:4])} …` failed: {' '.join(last)}")


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _is_current(folder: Path, lock: Path) -> bool:
    stamp = folder / ".lock-digest"
    return stamp.exists() and stamp.read_text() == _digest(lock)


def _mark(folder: Path, lock: Path) -> None:
    (folder / ".lock-digest").write_text(_digest(lock))
