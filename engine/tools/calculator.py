"""Arithmetic from untrusted text, in bounded time and memory."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from actors.tool import ToolError
from engine.tools.tool import tool

MAX_LENGTH = 1000
MAX_DEPTH = 200
MAX_BITS = 4096
"""Integers on the way may be this long; the sum, product or power is refused before a longer one is computed."""

Number = int | float

_NOT_ARITHMETIC = re.compile(r"[^0-9eE_.+\-*/%()\s]")
_TOO_LARGE = "the result is too large"

_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


@tool(category="math", timeout=1.0, inline=True)
def calculator(
    expression: Annotated[
        str, Meta(description="For example `2 * (3 + 4) ** 2`: + - * / // % ** and parentheses.", max_length=MAX_LENGTH)
    ],
) -> Number:
    """Evaluates an arithmetic expression and returns the number. Integers beyond 64 bits are rounded to a float."""
    value = evaluate(expression)
    return value if isinstance(value, float) or -(2**63) <= value < 2**64 else _guarded(float, value)


def evaluate(expression: str) -> Number:
    """The exact value by Python's rules. Raises ToolError for anything but bounded, finite, real arithmetic."""
    text = expression.strip()
    if not text:
        raise ToolError("the expression is empty")
    if len(text) > MAX_LENGTH:
        raise ToolError(f"the expression is longer than {MAX_LENGTH} characters")
    found = _NOT_ARITHMETIC.search(text)
    if found is not None:
        raise ToolError(f"only numbers, + - * / // % ** and parentheses are allowed, not {found[0]!r}")
    return _value(_parse(" ".join(text.split())), 1)


def _parse(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ToolError(f"not a valid expression: {error.msg}") from error
    except (MemoryError, RecursionError, ValueError) as error:  # how the parser answers nesting beyond its stack
        raise ToolError("the expression is nested too deeply") from error


def _value(node: ast.expr, depth: int) -> Number:
    if depth > MAX_DEPTH:
        raise ToolError(f"the expression is nested deeper than {MAX_DEPTH}")
    match node:
        case ast.Constant(value=int() | float() as number):
            return _checked(number)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand, depth + 1))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            a, b = _value(left, depth + 1), _value(right, depth + 1)
            if isinstance(op, ast.Pow):
                _check_power(a, b)
            return _checked(_guarded(_BINARY[type(op)], a, b))
        case _:
            raise ToolError("only numbers, + - * / // % ** and parentheses are allowed")


def _check_power(base: Number, exponent: Number) -> None:
    """An integer power's length is known before it is computed."""
    if not (isinstance(base, int) and isinstance(exponent, int)) or abs(base) <= 1:
        return
    if (abs(base).bit_length() - 1) * exponent >= MAX_BITS:
        raise ToolError(_TOO_LARGE)


def _guarded(function: Callable[..., Number], *operands: Number) -> Number:
    try:
        return function(*operands)
    except ZeroDivisionError as error:
        raise ToolError("division by zero") from error
    except OverflowError as error:
        raise ToolError(_TOO_LARGE) from error


def _checked(value: Number | complex) -> Number:
    match value:
        case complex():
            raise ToolError("the result is not a real number")
        case float() if not math.isfinite(value):
            raise ToolError(_TOO_LARGE)
        case int() if value.bit_length() > MAX_BITS:
            raise ToolError(_TOO_LARGE)
    return value
