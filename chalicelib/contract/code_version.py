"""The code version: a hash of the container's code."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

# The parts of the repository that the image contains.
_PARTS = ("blur_container", "chalicelib/__init__.py", "chalicelib/contract")
_LENGTH = 24


def code_version(root: Path, *facts: str) -> str:
    """Return the version of the container's code below `root`: the same for the same files and `facts`.

    Requirements files are included: their hashes identify the packages and the face model of an image.
    """
    digest = hashlib.sha256("".join(f"{fact}\0" for fact in facts).encode())
    for path in _files(root):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:_LENGTH]


def _files(root: Path) -> Iterator[Path]:
    for part in _PARTS:
        path = root / part
        found = [path] if path.is_file() else sorted(path.rglob("*"))
        yield from (one for one in found if one.is_file() and "__pycache__" not in one.parts)
