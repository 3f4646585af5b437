"""A browser's form upload: its key is a field before the file, read without taking the file into memory."""

from __future__ import annotations

import io
import re
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_HEAD_BYTES = 64 * 1024  # S3 limits the fields before the file to 20 kB.
_KEY_FIELD = re.compile(
    rb'Content-Disposition: form-data; name="key"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n(.*?)\r\n--',
    re.DOTALL | re.IGNORECASE,
)


class _Rejoined(io.RawIOBase):
    """The bytes read already, then the rest of the stream."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        """Return True: this is a stream to read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a plain buffer is all that comes
        """Fill `buffer` and return the number of bytes."""
        source = self._head[: len(buffer)] if self._head else self._rest.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(source)] = source
        return len(source)


def form_key(environ: WSGIEnvironment) -> str:
    """Return the form's `key`, or an empty text; the body stays readable from its start."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    stream: IO[bytes] = environ["wsgi.input"]
    head = stream.read(min(length, _HEAD_BYTES))
    environ["wsgi.input"] = _Rejoined(head, stream)
    found = _KEY_FIELD.search(head)
    return found.group(1).decode("utf-8", "replace") if found else ""
