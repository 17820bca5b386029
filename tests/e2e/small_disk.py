"""A file system of a few megabytes, which a test may fill or make read-only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SMALL_DISK_BYTES = 8 << 20


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """Mounted there. Skips the test for who may not mount."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "callboard", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"file systems cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def make_read_only(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
