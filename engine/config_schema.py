"""The configuration's keys as a tree, read off the structs of `engine.config`."""

from __future__ import annotations

import difflib
import re
from collections import abc
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from engine.config import MEMORY, Config
from engine.config_section import Section
from engine.secret import Secret

KeyPath: TypeAlias = tuple[str, ...]


class Leaf(msgspec.Struct, frozen=True):
    """A key that holds a value of `type`."""

    type: Any  # a type annotation, which has no type of its own

    @property
    def secret(self) -> bool:
        return Secret in _parts(self.type)

    @property
    def choices(self) -> tuple[str, ...]:
        """The values allowed, where they are a list; else empty."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    @property
    def many(self) -> bool:
        return get_origin(self.type) is tuple


class Table(msgspec.Struct, frozen=True):
    """A key that holds the keys of a struct."""

    type: type[Section]


class NamedTables(msgspec.Struct, frozen=True):
    """A key that holds tables whose names the user chooses."""

    type: type[Section]


Node: TypeAlias = Leaf | Table | NamedTables

ROOT = Table(Config)

_TABLE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def children(table: Table) -> dict[str, Node]:
    """The keys of a table, in the order in which they are declared."""
    return {field.name: _node(field.type) for field in msgspec.structs.fields(table.type)}


def child(node: Node, name: str) -> Node | None:
    """What `name` is inside `node`; None where there is no such key."""
    match node:
        case Leaf():
            return None
        case Table():
            return children(node).get(name)
        case NamedTables():
            return Table(node.type) if _TABLE_NAME.fullmatch(name) else None


def suggestion(node: Node, path: KeyPath) -> str:
    """`; did you mean …?` or `; there are …` for an unknown key inside `node`, or nothing."""
    name = path[-1].lower().replace("-", "_")
    siblings = list(children(node)) if isinstance(node, Table) else []
    if close := difflib.get_close_matches(name, siblings, 1):
        return f"; did you mean `{dotted((*path[:-1], close[0]))}`?"
    if len(path) > 1 and isinstance(node, Table) and all(isinstance(one, Table) for one in children(node).values()):
        # Its keys are the kinds of something.
        return f"; there are {', '.join(siblings)}"
    leaves = list(_leaves(ROOT, ()))
    elsewhere = [leaf for leaf in leaves if leaf[-1] == name]
    if not elsewhere:
        wanted = difflib.get_close_matches(dotted(path), [dotted(leaf) for leaf in leaves], 1, cutoff=0.8)
        elsewhere = [leaf for leaf in leaves if dotted(leaf) in wanted]
    return f"; did you mean `{dotted(elsewhere[0])}`?" if elsewhere else ""


def dotted(path: KeyPath) -> str:
    return ".".join(path)


def _leaves(node: Node, path: KeyPath) -> Iterator[KeyPath]:
    match node:
        case Leaf():
            yield path
        case Table():
            for name, inner in children(node).items():
                yield from _leaves(inner, (*path, name))
        case NamedTables():
            yield from _leaves(Table(node.type), (*path, "<name>"))


def _node(annotation: object) -> Node:
    if get_origin(annotation) is abc.Mapping:
        return NamedTables(get_args(annotation)[1])
    for part in _parts(annotation):
        if isinstance(part, type) and issubclass(part, Section):
            return Table(part)
    return Leaf(annotation)


def _parts(annotation: object) -> tuple[object, ...]:
    """The members of a union; anything else is its own only member. `Annotated` is looked through."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        return get_args(annotation)
    return (annotation,)


def convert(leaf: Leaf, value: object, *, text: bool, base: Path) -> object:
    """The value of a key as its type. Raises msgspec.ValidationError.

    `text` says that the value came as a string whatever its type, a list as one that commas part. A relative path is
    one below `base`.
    """

    def custom(wanted: type, raw: object) -> object:
        if not isinstance(raw, str) or not raw:
            raise ValueError("Expected a non-empty `str`")
        if wanted is Secret:
            return Secret(raw)
        return Path(raw) if raw == MEMORY else base / Path(raw).expanduser()

    if text and leaf.many and isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    converted: object = msgspec.convert(value, leaf.type, strict=not text, dec_hook=custom)
    return converted
