"""Typed reading of JSON objects: each reader returns a checked value or raises InvalidDocument."""

from __future__ import annotations

import json
import math
from typing import Any

from chalicelib.contract.errors import InvalidDocument


def parse_object(text: str | bytes, what: str) -> dict[str, Any]:
    """Return the JSON object in `text`; `what` names the document in errors."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidDocument(f"{what} is not JSON: {error}") from error
    return require_object(value, what)


def require_object(value: Any, what: str) -> dict[str, Any]:
    """Return `value` if it is a JSON object."""
    if not isinstance(value, dict):
        raise InvalidDocument(f"{what} must be a JSON object, not {type(value).__name__}")
    return value


def require_version(document: dict[str, Any], version: int, what: str) -> None:
    """Refuse a document written by another version of the contract."""
    if document.get("version") != version:
        raise InvalidDocument(f"{what} has version {document.get('version')!r}, this code reads {version}")


def text_field(document: dict[str, Any], name: str) -> str:
    """Return the string `name`."""
    value = document.get(name)
    if not isinstance(value, str):
        raise InvalidDocument(f"{name} must be a string, not {value!r}")
    return value


def optional_text_field(document: dict[str, Any], name: str) -> str | None:
    """Return the string `name`, or None where it is absent or null."""
    return None if document.get(name) is None else text_field(document, name)


def count_field(document: dict[str, Any], name: str) -> int:
    """Return the whole number `name`, zero or more."""
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidDocument(f"{name} must be a whole number of zero or more, not {value!r}")
    return value


def whole_field(document: dict[str, Any], name: str) -> int:
    """Return the whole number `name`."""
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidDocument(f"{name} must be a whole number, not {value!r}")
    return value


def optional_whole_field(document: dict[str, Any], name: str) -> int | None:
    """Return the whole number `name`, or None where it is absent or null."""
    return None if document.get(name) is None else whole_field(document, name)


def finite(value: Any, what: str) -> float:
    """Return `value` as a finite float; JSON's NaN and Infinity are refused."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidDocument(f"{what} must be a finite number, not {value!r}")
    return float(value)
