"""`module:function`: how the configuration names an agent, as an ASGI server names an app."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import cast

from actors.agent import Agent


class AgentReferenceError(Exception):
    """The reference leads to nothing that is wanted there."""


def load_agent(reference: str) -> Agent:
    """Imports the module and returns the function. Raises as `load_function` does."""
    function = load_function(reference)
    if not inspect.iscoroutinefunction(function):
        raise AgentReferenceError(f"{reference!r} is not an async function")
    return cast(Agent, function)


def load_function(reference: str) -> Callable[..., object]:
    """Imports the module and returns what is named there, which can be called. Raises AgentReferenceError.

    What the module itself raises while it is imported, other than an ImportError or a SyntaxError, passes through:
    its traceback says more than a sentence of ours.
    """
    module_name, _, function_name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, SyntaxError) as error:
        raise AgentReferenceError(f"the module of {reference!r} cannot be imported: {error}") from error
    try:
        function: object = getattr(module, function_name)
    except AttributeError:
        raise AgentReferenceError(f"{reference!r}: the module {module_name} has no {function_name!r}") from None
    if not callable(function):
        raise AgentReferenceError(f"{reference!r} is no function")
    return function
