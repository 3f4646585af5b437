"""CORS rules of buckets: which web pages of other origins may call S3."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree as ET


@dataclass(frozen=True)
class CorsRule:
    """One rule; each origin and each header may contain one `*`, which matches any text."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age_s: str = ""

    def allows(self, origin: str, method: str, headers: Iterable[str]) -> bool:
        """Return whether a page of `origin` may send a request with this method and these extra headers."""
        return (
            any(_matches(pattern, origin) for pattern in self.origins)
            and method in self.methods
            and all(
                any(_matches(pattern.lower(), name.lower()) for pattern in self.headers) for name in headers
            )
        )

    def answer(self, origin: str) -> dict[str, str]:
        """Return the response headers that let a browser show the answer to a page of `origin`."""
        found = {
            "Access-Control-Allow-Origin": "*" if "*" in self.origins else origin,
            "Access-Control-Allow-Methods": ", ".join(self.methods),
            "Access-Control-Allow-Headers": ", ".join(self.headers),
            "Access-Control-Expose-Headers": ", ".join(self.exposed),
            "Access-Control-Max-Age": self.max_age_s,
            "Vary": "Origin",
        }
        return {name: value for name, value in found.items() if value}


class BucketCors:
    """The CORS rules of each bucket; a bucket without a configuration has none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: dict[str, list[CorsRule]] = {}

    def put(self, bucket: str, document: bytes) -> None:
        """Keep the rules in the body of a PutBucketCors that moto accepted."""
        rules = [_rule(element) for element in ET.fromstring(document)]  # noqa: S314 accepted by moto
        with self._lock:
            self._rules[bucket] = rules

    def forget(self, bucket: str) -> None:
        """Drop the rules of a bucket."""
        with self._lock:
            self._rules.pop(bucket, None)

    def find(self, bucket: str, origin: str, method: str, headers: Iterable[str] = ()) -> CorsRule | None:
        """Return the first rule that allows such a request; none allows a page without an origin (`null`)."""
        with self._lock:
            rules = self._rules.get(bucket, [])
        asked = list(headers)
        return next((rule for rule in rules if origin != "null" and rule.allows(origin, method, asked)), None)


def _rule(element: ET.Element) -> CorsRule:
    texts = [(child.tag.rsplit("}", 1)[-1], (child.text or "").strip()) for child in element]

    def values(name: str) -> tuple[str, ...]:
        return tuple(text for tag, text in texts if tag == name)

    return CorsRule(
        values("AllowedOrigin"),
        values("AllowedMethod"),
        values("AllowedHeader"),
        values("ExposeHeader"),
        "".join(values("MaxAgeSeconds")[:1]),
    )


def _matches(pattern: str, text: str) -> bool:
    start, star, end = pattern.partition("*")
    if not star:
        return text == pattern
    return len(text) >= len(start) + len(end) and text.startswith(start) and text.endswith(end)
