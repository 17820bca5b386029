"""The client as a distribution of its own."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "clients" / "python"


def imported() -> set[str]:
    """The top-level names of all modules that the package imports."""
    names: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Import(names=aliases):
                    names |= {alias.name.split(".")[0] for alias in aliases}
                case ast.ImportFrom(module=str(module)):
                    names.add(module.split(".")[0])
    return names


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=]", each)[0].replace("-", "_") for each in project["dependencies"]}
    assert declared == imported() - set(sys.stdlib_module_names) - {"callboard_client"}


def test_the_wheel_has_the_package_and_its_types(tmp_path: Path) -> None:
    tree = tmp_path / "source"  # a build leaves folders beside the source
    shutil.copytree(SOURCE, tree, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, tree],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("callboard_client-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = {str(path.relative_to(SOURCE)) for path in (SOURCE / "callboard_client").glob("*.py")}
    assert files == modules | {"callboard_client/py.typed"}
