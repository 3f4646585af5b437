"""Scratch: the temporary folder of one invocation, and the error for a full disk."""

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
    """Return the system's folder for temporary files, even if it is full.

    tempfile.gettempdir() tests folders by writing a file, and fails if /tmp is full.
    """
    return Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 a folder of its own is made below it


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Yield a new folder below `parent`, by default the system's temporary folder; delete it at the end.

    Raise ScratchFull if the disk is full.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent or temporary_root()) as folder:
            yield Path(folder)
    except OSError as error:
        raise_if_full(error.errno, error)
        raise


def raise_if_full(number: int | None, error: Exception) -> None:
    """Raise ScratchFull from `error` if its errno `number` means a full disk."""
    if number in _FULL:
        raise ScratchFull(f"No room for a file: {error}. EphemeralStorage sets the room in /tmp.") from error


def clear_leftovers(parent: Path) -> int:
    """Delete the folders that killed invocations left in `parent`; return their number.

    Only where one invocation runs at a time, as in a Lambda sandbox.
    """
    leftovers = list(parent.glob(f"{_PREFIX}*"))
    for folder in leftovers:
        shutil.rmtree(folder)
    return len(leftovers)
