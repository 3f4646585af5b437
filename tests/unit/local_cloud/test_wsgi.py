"""Requests of the local cloud: several readers, one body."""

from __future__ import annotations

import io
from typing import Any

from local_cloud.http.wsgi import read_body, with_body


def test_body_can_be_read_after_an_application_used_it_up() -> None:
    """A fault may change the answer to a request by what the request said."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "PUT",
        "CONTENT_LENGTH": "4",
        "wsgi.input": io.BytesIO(b"body"),
    }
    read_body(environ)
    environ["wsgi.input"].read()

    again = read_body(environ)

    assert again == b"body"
    assert environ["wsgi.input"].read() == b"body"


def test_request_with_another_body_leaves_the_first_as_it_was() -> None:
    """A copy for a second caller shares no stream with the original."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "PUT",
        "CONTENT_LENGTH": "4",
        "wsgi.input": io.BytesIO(b"body"),
    }
    read_body(environ)

    other = with_body(environ, b"other one")

    assert (read_body(other), read_body(environ)) == (b"other one", b"body")
    assert (other["CONTENT_LENGTH"], environ["CONTENT_LENGTH"]) == ("9", "4")
