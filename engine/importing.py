"""Objects named in a configuration as `module:name`."""

from __future__ import annotations

import difflib
import importlib


class ImportTargetError(ValueError):
    """The target names nothing that can be used. The message is for the one who wrote it."""


def import_target(target: str) -> object:
    """The object that `module:name` or `package.module:name.of.attribute` names.

    Raises ImportTargetError when there is none. What the module itself raises while it is imported passes, because
    its own traceback says best what is wrong with it.
    """
    module_name, colon, path = target.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), *path.split(".")]):
        raise ImportTargetError(f"{target!r} is not of the form module:name")
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ImportTargetError(f"{target}: {module_name} needs a module that is missing: {error.name}") from error
        raise ImportTargetError(f"{target}: there is no module {error.name} on the Python path") from error
    for name in path.split("."):
        if not hasattr(found, name):
            close = difflib.get_close_matches(name, dir(found), 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ImportTargetError(f"{target}: {module_name} has no {name}{hint}")
        found = getattr(found, name)
    return found
