"""Samples for a shell, run in bash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.engine_process import PATIENCE, environment


def bash(commands: str, folder: Path, tools: Path) -> str:
    """What the commands print when they run in this folder. Each must succeed."""
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=folder,
        env=surroundings(tools),
        capture_output=True,
        encoding="utf-8",
        timeout=3 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def surroundings(tools: Path) -> dict[str, str]:
    """An environment with the tools that a reader may lack: `python` is ours, `jq` (without a filter) Python's, and
    `pip` only notes in `tools/pip.log` what it is asked for, which ours has already."""
    tools.mkdir(exist_ok=True)
    commands = {
        "python": f'exec {sys.executable} "$@"',
        "jq": f"exec {sys.executable} -m json.tool --indent 2",
        "pip": f'echo "$*" >>{tools}/pip.log',
    }
    for name, text in commands.items():
        script = tools / name
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
    found = environment()
    return {**found, "PYTHONUTF8": "1", "PATH": os.pathsep.join((str(tools), found["PATH"]))}
