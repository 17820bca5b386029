"""Compiles the load generator and the floors where they are used."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent
BUILD = SOURCES.parent.parent / "build" / "load"
PROGRAMS = {"loadgen": ("loadgen.c", "subscriber.c", "requests.c"), "floor": ("floor.c",), "echo": ("echo.c",)}
FLAGS = ("-O2", "-Wall", "-Wextra", "-Wshadow")


NO_COMPILER = "the load generator needs a C compiler: install gcc or clang (apt install gcc, xcode-select --install)"


def find_compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(name: str) -> Path:
    """One of PROGRAMS, compiled anew if a source is newer. Raises RuntimeError without a compiler."""
    program = BUILD / name
    newest = max(path.stat().st_mtime for path in SOURCES.glob("*.[ch]"))
    if program.exists() and program.stat().st_mtime >= newest:
        return program
    compiler = find_compiler()
    if compiler is None:
        raise RuntimeError("the load generator is written in C: install a C compiler (cc, gcc or clang)")
    BUILD.mkdir(parents=True, exist_ok=True)
    sources = [str(SOURCES / source) for source in PROGRAMS[name]]
    subprocess.run([compiler, *FLAGS, "-o", str(program), *sources], check=True)
    return program
