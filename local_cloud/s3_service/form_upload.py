"""A browser's form upload: the fields before its file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from local_cloud.http.wsgi import read_body

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_HEAD_BYTES = 64 * 1024  # S3 limits the fields before the file to 20 kB.
_FIELD = re.compile(
    rb'Content-Disposition: form-data; name="([^"\r\n]+)"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n(.*?)\r\n--',
    re.DOTALL | re.IGNORECASE,
)


def form_fields(environ: WSGIEnvironment) -> dict[str, str]:
    """Return the fields before the form's file, their names in small letters; the body stays readable."""
    head = read_body(environ)[:_HEAD_BYTES]
    fields: dict[str, str] = {}
    for found in _FIELD.finditer(head):
        name = found.group(1).decode("utf-8", "replace").lower()
        if name == "file":
            break
        fields.setdefault(name, found.group(2).decode("utf-8", "replace"))
    return fields
