"""`module:function`: how the configuration names an agent, as an ASGI server names an app."""

from __future__ import annotations

import importlib
import inspect
from typing import cast

from actors.agent import Agent


class AgentReferenceError(Exception):
    """The reference leads to no agent."""


def load_agent(reference: str) -> Agent:
    """Imports the module and returns the function. Raises AgentReferenceError.

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
    if not inspect.iscoroutinefunction(function):
        raise AgentReferenceError(f"{reference!r} is not an async function")
    return cast(Agent, function)
