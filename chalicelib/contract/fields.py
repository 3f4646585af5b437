"""Reads typed fields of JSON objects: each function returns a checked value or raises InvalidDocument."""

from __future__ import annotations

import json
import math
from typing import Any

from chalicelib.contract.errors import InvalidDocument

# The largest integer that every JSON parser keeps exactly: the state machine may change a larger one.
_LARGEST_COUNT = 2**53 - 1
_SHOWN_CHARACTERS = 200


def parse_object(text: str | bytes, what: str) -> dict[str, Any]:
    """Return the JSON object in `text`; `what` names the document in errors."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidDocument(f"{what} is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidDocument(f"{what} is nested too deep") from error
    return require_object(value, what)


def require_object(value: Any, what: str) -> dict[str, Any]:
    """Return `value` if it is a JSON object."""
    if not isinstance(value, dict):
        raise InvalidDocument(f"{what} must be a JSON object, not {type(value).__name__}")
    return value


def require_version(document: dict[str, Any], version: int, what: str) -> None:
    """Raise InvalidDocument for a document of another version of the contract."""
    if document.get("version") != version:
        raise InvalidDocument(
            f"{what} has version {shown(document.get('version'))}, this code reads {version}"
        )


def text_field(document: dict[str, Any], name: str) -> str:
    """Return the string `name`; half a surrogate pair, which no file or key can hold, is refused."""
    value = document.get(name)
    if not isinstance(value, str):
        raise InvalidDocument(f"{name} must be a string, not {shown(value)}")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidDocument(f"{name} must be whole Unicode characters, not {shown(value)}")
    return value


def optional_text_field(document: dict[str, Any], name: str) -> str | None:
    """Return the string `name`, or None where it is absent or null."""
    return None if document.get(name) is None else text_field(document, name)


def count_field(document: dict[str, Any], name: str) -> int:
    """Return the whole number `name`, from zero to 2^53 - 1."""
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_COUNT:
        raise InvalidDocument(f"{name} must be a whole number of zero or more, not {shown(value)}")
    return value


def list_field(document: dict[str, Any], name: str) -> list[Any]:
    """Return the list `name`; an absent list is not an empty one, and raises InvalidDocument."""
    value = document.get(name)
    if not isinstance(value, list):
        raise InvalidDocument(f"{name} must be a list, not {shown(value)}")
    return value


def whole_field(document: dict[str, Any], name: str) -> int:
    """Return the whole number `name`, 2^53 - 1 at most to either side of zero."""
    return whole(document.get(name), name)


def optional_whole_field(document: dict[str, Any], name: str) -> int | None:
    """Return the whole number `name`, or None where it is null; absent, it is refused."""
    if name not in document:
        raise InvalidDocument(f"{name} must be there, be it null")
    return None if document[name] is None else whole_field(document, name)


def flag_field(document: dict[str, Any], name: str) -> bool:
    """Return the truth value `name`."""
    value = document.get(name)
    if not isinstance(value, bool):
        raise InvalidDocument(f"{name} must be true or false, not {shown(value)}")
    return value


def whole(value: Any, what: str) -> int:
    """Return `value` as a whole number, 2^53 - 1 at most to either side of zero."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST_COUNT:
        raise InvalidDocument(f"{what} must be a whole number under 2^53, not {shown(value)}")
    return value


def finite(value: Any, what: str) -> float:
    """Return `value` as a finite float; JSON's NaN, Infinity and numbers past them are refused."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidDocument(f"{what} must be a finite number, not {shown(value)}")
    try:
        number = float(value)
    except OverflowError as error:
        raise InvalidDocument(f"{what} must be a finite number, not {shown(value)}") from error
    if not math.isfinite(number):
        raise InvalidDocument(f"{what} must be a finite number, not {shown(value)}")
    return number


def shown(value: Any) -> str:
    """Return `value` for an error message: in ASCII, and shortened."""
    try:
        text = ascii(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} too large to write"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
