"""The configuration put together: defaults, then the file, then the environment, then flags.

Every mistake is gathered and told at once, each with its place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from engine.config import Config
from engine.config_rules import broken_rules, resolved
from engine.config_schema import (
    ROOT,
    KeyPath,
    Leaf,
    NamedTables,
    Node,
    Table,
    child,
    convert,
    dotted,
    suggestion,
)
from engine.config_section import Section
from engine.config_sources import Problem, Setting, from_environment, from_file, from_flags

DEFAULT_FILE = Path("callboard.toml")
FILE_VARIABLE = "CALLBOARD_CONFIG"

_GOT_TYPE = re.compile(r", got `\w+`")
S = TypeVar("S", bound=Section)


class ConfigError(Exception):
    """The configuration cannot be used. `problems` holds every mistake found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def load_config(
    file: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, tuple[KeyPath, object]] | None = None,
    surroundings: bool = True,
) -> Config:
    """Reads and checks the configuration. Raises ConfigError.

    Without `file`, `CALLBOARD_CONFIG` names it, else `callboard.toml` is read if there is one. `flags` maps a flag's
    name to its key and value. With `surroundings=False`, what the configuration refers to (key files, certificates,
    other variables) is neither checked nor read: for commands that need only a part of it, perhaps as another user.
    """
    environ = os.environ if environ is None else environ
    reading = _Reading()
    path = file or _named_file(environ)
    if path is not None:
        reading.add(*from_file(path))
    reading.add(*from_environment(environ))
    reading.add(from_flags(flags or {}), [])
    config = reading.build()
    if surroundings:
        reading.check(config, environ)
    if reading.problems:
        raise ConfigError(reading.problems)
    return resolved(config, environ) if surroundings else config


def _named_file(environ: Mapping[str, str]) -> Path | None:
    if named := environ.get(FILE_VARIABLE):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


class _Reading:
    """Settings merged so far, the later over the earlier, and the mistakes met on the way."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._values: dict[KeyPath, object] = {}
        self._where: dict[KeyPath, str] = {}
        self._failed: set[KeyPath] = set()

    def add(self, settings: Iterable[Setting], problems: Iterable[Problem]) -> None:
        self.problems.extend(problems)
        for setting in settings:
            message = self._take(setting)
            if message is not None:
                self.problems.append(Problem(setting.where, message))
                self._failed.add(setting.path)

    def _take(self, setting: Setting) -> str | None:
        """Keeps one setting, or says what is wrong with it."""
        node: Node = ROOT
        for depth, name in enumerate(setting.path, start=1):
            inner = child(node, name)
            if inner is None and isinstance(node, NamedTables):
                return f"`{dotted(setting.path[:depth])}`: a name is made of a-z 0-9 _ -"
            if inner is None:
                return f"unknown key `{dotted(setting.path[:depth])}`{suggestion(node, setting.path[:depth])}"
            node = inner
        if isinstance(node, Leaf):
            message = self._take_value(node, setting)
        else:
            message = None if isinstance(setting.value, dict) else f"`{dotted(setting.path)}` is a table: give its keys"
        for depth in range(1, len(setting.path)):
            self._where.setdefault(setting.path[:depth], setting.where)
        self._where[setting.path] = setting.where
        return message

    def _take_value(self, leaf: Leaf, setting: Setting) -> str | None:
        try:
            self._values[setting.path] = convert(leaf, setting.value, text=setting.text, base=setting.base)
        except msgspec.ValidationError as error:
            expected = _GOT_TYPE.sub("", str(error)).replace("Expected", "expected").replace(" - at `$", " at `$")
            if leaf.choices:
                expected = f"expected one of {', '.join(leaf.choices)}"
            got = "" if leaf.secret else f", got {setting.value!r}"
            return f"`{dotted(setting.path)}`: {expected}{got}"
        self._failed.discard(setting.path)
        return None

    def build(self) -> Config:
        """The configuration as far as it can be read: a key with a mistake keeps its default."""
        return self._struct(Config, Config(), ()) or Config()

    def _struct(self, kind: type[S], default: S | None, path: KeyPath) -> S | None:
        """`default` with what was given at `path`; None where a key has neither a value nor a default."""
        given: dict[str, object] = {}
        missing: list[str] = []
        for field in msgspec.structs.fields(kind):
            here = (*path, field.name)
            match child(Table(kind), field.name):
                case Leaf() if here in self._values:
                    given[field.name] = self._values[here]
                case Leaf() if field.required and default is None:
                    missing.append(field.name)
                case Table(type=inner) if here in self._where:
                    given[field.name] = self._struct(inner, getattr(default, field.name, None), here)
                case NamedTables(type=inner):
                    given[field.name] = self._named(inner, here)
        for name in missing:
            self._report_missing(path, name)
        if missing:
            return None
        return kind(**given) if default is None else msgspec.structs.replace(default, **given)

    def _report_missing(self, table: KeyPath, name: str) -> None:
        path = (*table, name)
        if path not in self._failed:
            self.problems.append(Problem(self._where[table], f"`{dotted(path)}` is missing"))

    def _named(self, kind: type[Section], path: KeyPath) -> dict[str, Section]:
        names = sorted({known[-1] for known in self._where if known[:-1] == path and known not in self._failed})
        tables = {name: self._struct(kind, None, (*path, name)) for name in names}
        return {name: table for name, table in tables.items() if table is not None}

    def check(self, config: Config, environ: Mapping[str, str]) -> None:
        """Adds what breaks a rule between keys, or between a key and the world. One mistake is told once: a rule about
        a key that could not be read is left out."""
        for broken in broken_rules(config, environ):
            if not self._failed.intersection(broken.keys):
                self.problems.append(Problem(self._place(broken.keys), broken.message))

    def _place(self, keys: tuple[KeyPath, ...]) -> str:
        return next((self._where[key] for key in keys if key in self._where), "default")
