"""Mutate JSON documents: remove, double, alter or replace a part at any depth."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

Change = Callable[[Any, random.Random], Any]

_HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**53, 2**63, -(2**63), 10**400, -(10**400)),
    *(0.5, 1e308, float("nan"), float("inf")),
    *(
        "",
        "x",
        "\ud800",
        "\x00",
        "0",
        "0/1",
        "-1/90000",
        "1/0",
        "1e400",
        "1e-9999999999",
        "../" * 300,
        "<script>",
        "a" * 5000,
    ),
    *("work", "output", "input", "clip.mp4"),
    *([], {}, [[]], [0], [None] * 6, {"": {}}),
)
_DEPTH = 9


def mutated(text: bytes, chance: random.Random) -> bytes:
    """Return the JSON `text` with one to three parts changed, or once in twelve times with bytes flipped."""
    if chance.randrange(12) == 0:
        return _flipped(text, chance)
    document = json.loads(text)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        document = changed(document, chance)
    return json.dumps(document).encode()


def changed(value: Any, chance: random.Random, depth: int = 0) -> Any:
    """Return `value` with one part of it changed."""
    if isinstance(value, dict) and value and depth < _DEPTH and chance.randrange(24):
        return _changed_object(value, chance, depth)
    if isinstance(value, list) and value and depth < _DEPTH and chance.randrange(24):
        return _changed_list(value, chance, depth)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and chance.randrange(2):
        return chance.choice((value + 1, value - 1, -value, value * 1000, value // 2 if value else 7))
    return chance.choice(_HOSTILE)


def _changed_object(value: dict[str, Any], chance: random.Random, depth: int) -> dict[str, Any]:
    name = chance.choice(sorted(value))
    rest = {other: part for other, part in value.items() if other != name}
    if chance.randrange(8) == 0:
        return rest
    if rest and chance.randrange(12) == 0:
        return {**value, name: value[chance.choice(sorted(rest))]}
    return {**value, name: changed(value[name], chance, depth + 1)}


def _changed_list(value: list[Any], chance: random.Random, depth: int) -> list[Any]:
    place = chance.randrange(len(value))
    head, part, tail = value[:place], value[place], value[place + 1 :]
    match chance.randrange(10):
        case 0:
            return [*head, *tail]
        case 1:
            return [*head, part, part, *tail]
        case 2:
            return [*tail, part, *head]
        case _:
            return [*head, changed(part, chance, depth + 1), *tail]


def _flipped(text: bytes, chance: random.Random) -> bytes:
    flipped = bytearray(text)
    for _ in range(chance.choice((1, 3))):
        flipped[chance.randrange(len(flipped))] = chance.randrange(256)
    return bytes(flipped)
