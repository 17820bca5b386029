"""Rules about the source itself that no linter in use knows. Each was a hazard before it was a rule."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCOPES = {"open_nursery", "CancelScope", "move_on_after", "move_on_at", "fail_after", "fail_at"}
MANAGERS = {"contextmanager", "asynccontextmanager"}
HYPERCORN_PUBLIC = {"hypercorn.config", "hypercorn.typing"}

BAD = """
async def stream():
    with trio.move_on_after(1) as scope:
        yield b"chunk"

async def events():
    async with other(), trio.open_nursery() as nursery:
        if nursery:
            yield b"block"
"""
GOOD = """
@asynccontextmanager
async def running():
    async with trio.open_nursery() as nursery:
        yield nursery

async def stream():
    with trio.move_on_after(1):
        data = await read()

        def lines():
            yield data
    yield data
"""


def modules() -> list[Path]:
    return [
        path
        for floor in ("actors", "transport", "engine", "clients/python")
        for path in sorted((ROOT / floor).rglob("*.py"))
    ]


def last_name(node: ast.expr) -> str:
    match node:
        case ast.Call(func=function):
            return last_name(function)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def yields_within(body: list[ast.stmt]) -> bool:
    """Whether this code, and not a function in it, yields."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return False


def unsafe_generators(source: str) -> Iterator[str]:
    """Names of the generators that yield inside a nursery or a cancel scope. Context managers may."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if MANAGERS & set(map(last_name, function.decorator_list)):
            continue
        blocks = [block for block in ast.walk(function) if isinstance(block, ast.With | ast.AsyncWith)]
        if any(opens_scope(block) and yields_within(block.body) for block in blocks):
            yield function.name


def opens_scope(block: ast.With | ast.AsyncWith) -> bool:
    return not SCOPES.isdisjoint(last_name(item.context_expr) for item in block.items)


def test_the_rule_tells_good_generators_from_bad_ones() -> None:
    assert list(unsafe_generators(BAD)) == ["stream", "events"]
    assert list(unsafe_generators(GOOD)) == []


def test_no_generator_yields_inside_a_nursery_or_a_cancel_scope() -> None:
    # Whoever drops such a generator leaves its scope open in his own task: the next cancellation hits the wrong one.
    assert {path.name: list(unsafe_generators(path.read_text())) for path in modules()} == {
        path.name: [] for path in modules()
    }


def test_one_module_knows_hypercorns_insides() -> None:
    found = {}
    for path in modules():
        imported: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.ImportFrom(module=str(name)):
                    imported.add(name)
                case ast.Import(names=names):
                    imported |= {alias.name for alias in names}
                case _:
                    pass
        if inside := {name for name in imported if name.split(".")[0] == "hypercorn"} - HYPERCORN_PUBLIC:
            found[path.name] = inside
    assert list(found) == ["hypercorn_adapter.py"]
