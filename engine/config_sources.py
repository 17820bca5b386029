"""Where settings come from: a TOML file, the environment, the command line's flags."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from engine.config_schema import ROOT, KeyPath, Leaf, NamedTables, Node, Table, child, dotted
from engine.toml_lines import key_lines

PREFIX = "CALLBOARD_"
_PLAIN = {
    "HOST": ("server", "host"),
    "PORT": ("server", "port"),
    "WS_HEARTBEAT_INTERVAL": ("agent", "heartbeat_seconds"),
    "WS_MAX_CONNECTIONS": ("agent", "max_connections"),
}
_SYNTAX_LINE = re.compile(r"\(at line (\d+), column \d+\)")


class Problem(msgspec.Struct, frozen=True):
    """A mistake and where it was made: `file:line`, an environment variable's name, or a flag's."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class Setting(msgspec.Struct, frozen=True):
    """One value, or one table, as it was written. `text` says that it came as a string whatever its type."""

    path: KeyPath
    value: object
    where: str
    text: bool
    base: Path


def from_file(path: Path) -> tuple[list[Setting], list[Problem]]:
    """The settings of a TOML file. Its relative paths are relative to its own directory."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        return [], [Problem(str(path), f"cannot be read: {error.strerror}")]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return [], [Problem(f"{path}:{line}", "is not UTF-8")]
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        return [], [Problem(f"{path}:{line}", f"is not TOML: {_SYNTAX_LINE.sub('', str(error)).strip()}")]
    lines = key_lines(text)
    settings = [
        Setting(keys, value, f"{path}:{lines[keys]}", text=False, base=path.absolute().parent)
        for keys, value in _flatten(document, ROOT, ())
    ]
    return settings, []


def _flatten(table: dict[str, object], node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    """Known tables come before their members, and without them; an unknown one comes whole, to be refused once."""
    for name, value in table.items():
        here = (*path, name)
        inner = child(node, name)
        if isinstance(value, dict) and inner is not None and not isinstance(inner, Leaf):
            yield here, {}
            yield from _flatten(value, inner, here)
        else:
            yield here, value


def from_environment(environ: Mapping[str, str]) -> tuple[list[Setting], list[Problem]]:
    """`CALLBOARD_SECTION__KEY` for every key, and the plain names, which yield to it. Empty means not set.

    Other names are not ours to refuse: orchestrators put variables of their own beside a service of our name. Only
    one that lacks nothing but an underscore, and does not look like such a service's address, is taken for a slip.
    """
    settings, problems = [], []
    here = Path()
    for plain, path in _PLAIN.items():
        if value := environ.get(plain):
            settings.append(Setting(path, value, plain, text=True, base=here))
    slips = {dotted(path).replace(".", "_").upper(): path for path in _fixed_leaves()}
    for name in sorted(environ):
        value, key = environ[name], name.removeprefix(PREFIX)
        if not name.startswith(PREFIX) or not value:
            continue
        if "__" in key:
            settings.append(Setting(tuple(key.lower().split("__")), value, name, text=True, base=here))
        elif key in slips and "://" not in value:
            meant = PREFIX + "__".join(slips[key]).upper()
            problems.append(Problem(name, f"is not read; did you mean `{meant}`?"))
    return settings, problems


def _fixed_leaves(node: Node = ROOT, path: KeyPath = ()) -> Iterator[KeyPath]:
    match node:
        case Leaf():
            yield path
        case Table():
            for field in msgspec.structs.fields(node.type):
                inner = child(node, field.name)
                if inner is not None:
                    yield from _fixed_leaves(inner, (*path, field.name))
        case NamedTables():
            return


def from_flags(flags: Mapping[str, tuple[KeyPath, object]]) -> list[Setting]:
    """Each flag's name with its key and value; None and empty tuples were not given."""
    return [
        Setting(path, value, flag, text=True, base=Path())
        for flag, (path, value) in flags.items()
        if value is not None and value != ()
    ]
