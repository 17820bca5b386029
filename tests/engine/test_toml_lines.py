"""Lines of keys in TOML texts of every shape."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.toml_lines import KeyPath, key_lines

AWKWARD = '''# comment = 1

[a.b]   # [x]
one = 1
two = "with # and = and ] and }"
three = """
four = 4
quote \\" and ""two
"""
five = 'C:\\'
six = [ "x", # ]
  "y", ["]"], {n = 1, "m ]" = {k = 2}},
]
"quoted.key" . inner = 1
'single' = {p.q = 1, r = "}"}
[[list]]
name = \'\'\'
name = 2\'\'\'\'
[ "t" . u ]
when = 1979-05-27T07:32:00Z
last = """a"""""'''


def leaves(value: dict[str, Any], path: KeyPath = ()) -> Iterator[KeyPath]:
    for name, inner in value.items():
        yield (*path, name)
        for table in inner if isinstance(inner, list) else [inner]:
            if isinstance(table, dict):
                yield from leaves(table, (*path, name))


def test_awkward_text() -> None:
    lines = key_lines(AWKWARD)
    assert set(leaves(tomllib.loads(AWKWARD))) == set(lines)
    assert lines[("a",)] == lines[("a", "b")] == 3
    assert lines[("a", "b", "two")] == 5
    assert lines[("a", "b", "five")] == 10
    assert lines[("a", "b", "six", "m ]", "k")] == 12
    assert lines[("a", "b", "quoted.key", "inner")] == 14
    assert lines[("a", "b", "single", "r")] == 15
    assert lines[("list", "name")] == 17
    assert lines[("t", "u", "when")] == 20
    assert lines[("t", "u", "last")] == 21


def test_windows_line_ends() -> None:
    assert key_lines('a = 1\r\nb = """\r\n"""\r\nc = 3\r\n')[("c",)] == 4


VALUES = st.sampled_from(
    ["1", "true", '"a = 1 # ["', "'}'", '"""\nx = 1\n"""', "'''\n]\n'''", "[1,\n 2, # c = 3\n]", "[]", "{}", "0.5 # x"]
)
LINES = st.lists(st.one_of(VALUES, st.sampled_from(["#", "", "# k = 1", "table"])), max_size=30)


@given(LINES)
def test_each_key_is_on_its_line(parts: list[str]) -> None:
    text = ""
    expected: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, part in enumerate(parts):
        line = text.count("\n") + 1
        if part == "table":
            table = (f"t{number}",)
            expected[table] = line
            text += f"[t{number}]\n"
        elif not part or part.startswith("#"):
            text += f"{part}\n"
        else:
            expected[*table, f"k{number}"] = line
            text += f"k{number} = {part}\n"
    tomllib.loads(text)
    assert key_lines(text) == expected
