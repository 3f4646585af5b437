"""The log line: one JSON object with a constant message and its facts as fields.

CloudWatch Logs Insights, the local cloud and people read it; `rendering` lines carry the progress.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import IO, Any

_LONGEST_CAUSE = 2000
# Who calls, before the host, and all behind a question mark: there addresses carry keys and signatures.
_SECRETS = re.compile(r"(https?://)(?:[^\s/?#\"'<>@]*@)?([^\s?\"'<>]*)(\?[^\s\"'<>]*)?")


class EventLog:
    """Writes log lines of one function, each with the same `fields` first; `stream` is standard output."""

    def __init__(self, function: str, stream: IO[str] | None = None, **fields: Any) -> None:
        self._fields = {"function": function, **fields}
        self._stream = stream

    def info(self, message: str, **fields: Any) -> None:
        """Write what went as it should."""
        self._write("INFO", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Write what was turned down or will be tried again."""
        self._write("WARNING", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        """Write what a person must act on."""
        self._write("ERROR", message, fields)

    @contextmanager
    def handling(self, **fields: Any) -> Iterator[dict[str, Any]]:
        """Write one line in and one line out, with `duration_ms` and the facts put into the yielded dict."""
        self.info("started", **fields)
        begin_s = time.monotonic()
        facts: dict[str, Any] = {}
        try:
            yield facts
        except Exception as error:
            cause = without_secrets(str(error))[:_LONGEST_CAUSE]
            self.warning("failed", error=type(error).__name__, cause=cause, **_since(begin_s), **fields)
            raise
        self.info("finished", **_since(begin_s), **fields, **facts)

    def _write(self, level: str, message: str, fields: dict[str, Any]) -> None:
        moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = {"time": moment, "level": level, "message": message, **self._fields, **fields}
        text = printable(json.dumps(line, ensure_ascii=False))
        print(text, file=self._stream or sys.stdout, flush=True)


def without_secrets(text: str) -> str:
    """Return `text` with its web addresses shortened to host and path, as boto3 puts them into errors."""
    return _SECRETS.sub(lambda found: found[1] + found[2] + ("?..." if found[3] else ""), text)


def printable(text: str) -> str:
    """Return `text` on one line, as JSON would escape what is no visible character.

    Keys are written by strangers: they may hold line ends, terminal commands, or marks that turn the
    reading order.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def _since(begin_s: float) -> dict[str, int]:
    return {"duration_ms": round((time.monotonic() - begin_s) * 1000)}
