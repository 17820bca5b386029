"""Samples in TypeScript: their types checked against `clients/js`, and built with its tools."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.node import PACKAGE, client_package, node

CONFIG = Path(__file__).with_name("sample.vite.config.mjs")
REALTIME = "@gtc-tech/agent-core/realtime"
UI = "@gtc-tech/agent-core-ui"

_MODULES = PACKAGE / "node_modules"


def assert_typed(source: Path) -> None:
    """That TypeScript, strict, finds no fault with the sample where the packages that it names are ours."""
    client_package()
    types = {
        REALTIME: PACKAGE / "dist" / "index.d.ts",
        UI: PACKAGE / "dist" / "react" / "index.d.ts",
        "react": _MODULES / "@types" / "react" / "index.d.ts",
        "react/jsx-runtime": _MODULES / "@types" / "react" / "jsx-runtime.d.ts",
    }
    options = {
        "paths": {name: [str(path)] for name, path in types.items()},
        # An example may leave what it is given unused.
        "noUnusedLocals": False,
        "noUnusedParameters": False,
        "types": [],
    }
    settings = {"extends": str(PACKAGE / "tsconfig.json"), "compilerOptions": options, "include": [str(source)]}
    project = source.with_name("tsconfig.json")
    project.write_text(json.dumps(settings))
    _run(_tool("typescript/bin/tsc"), "--project", str(project))


def build(source: Path, packages: Mapping[str, str | Path]) -> Path:
    """The sample and all that it imports as one module; `packages` says where those are that it names."""
    client_package()
    folder = source.with_name("built")
    react = {name: _MODULES / name for name in ("react", "react-dom")}
    found = {name: str(path) for name, path in {**packages, **react}.items()}
    chosen = {"SAMPLE": str(source), "OUT": str(folder), "PACKAGES": json.dumps(found)}
    _run(_tool("vite/bin/vite.js"), "build", "--config", str(CONFIG), **chosen)
    (module,) = (*folder.glob("*.js"), *folder.glob("*.mjs"))
    return module


def _tool(path: str) -> str:
    return str(_MODULES / path)


def _run(script: str, *arguments: str, **chosen: str) -> None:
    done = subprocess.run(
        [node(), script, *arguments],
        cwd=PACKAGE,
        env={**os.environ, **chosen},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
