"""Scratch: the folder for the files of one invocation, and what it is called when there is no room left."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.contract.errors import ScratchFull

_PREFIX = "blur-faces-"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def temporary_root() -> Path:
    """Return the system's folder for temporary files, also where it is full.

    tempfile.gettempdir() writes a file to find out, and knows no folder at all where /tmp is full.
    """
    return Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 a folder of its own is made below it


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Yield a folder below `parent` (the system's folder for temporary files) that goes with the context.

    Raise ScratchFull where what is written there finds no room.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent or temporary_root()) as folder:
            yield Path(folder)
    except OSError as error:
        raise_if_full(error.errno, error)
        raise


def raise_if_full(number: int | None, error: Exception) -> None:
    """Raise ScratchFull from `error` if its errno `number` says that there is no room."""
    if number in _FULL:
        raise ScratchFull(f"No room for a file: {error}. EphemeralStorage sets the room in /tmp.") from error


def clear_leftovers(parent: Path) -> int:
    """Delete what invocations that were killed have left in `parent`; return how many folders went.

    For a place that runs one invocation at a time, as Lambda's do.
    """
    leftovers = list(parent.glob(f"{_PREFIX}*"))
    for folder in leftovers:
        shutil.rmtree(folder)
    return len(leftovers)
