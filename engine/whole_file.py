"""A file that is there whole, on the disk, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_file(target: Path, *, replace: bool) -> Iterator[Path]:
    """A file to write, readable by its owner alone, that takes its place at the end. Blocks. Raises FileExistsError
    where there is one, unless `replace`, and OSError."""
    if target.exists() and not replace:
        raise FileExistsError(f"{target} is there already")
    folder = target.absolute().parent
    if not folder.is_dir():
        raise NotADirectoryError(f"the directory {folder} does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"the directory {folder} cannot be written to")
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=folder)
    os.close(descriptor)
    try:
        yield Path(name)
        _sync(name)
        _place(name, target, replace=replace)
    except BaseException:
        # Whatever it was: half a file helps nobody.
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    _sync(str(folder))


def _place(name: str, target: Path, *, replace: bool) -> None:
    if replace:
        os.replace(name, target)
        return
    # Unlike a rename, this does not take the place of a file that has come meanwhile.
    os.link(name, target)
    os.unlink(name)


def _sync(name: str) -> None:
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
