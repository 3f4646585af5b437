"""Log lines: each is one JSON object with a constant message and its facts as fields.

CloudWatch Logs Insights, the local cloud and people read them; `rendering` lines report progress.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import IO, Any

_LONGEST_CAUSE = 2000
# User info before the host, and the query: URLs carry keys and signatures in these.
_INVOCATIONS = itertools.count()  # Lambda starts a process for a cold start, and reuses it afterwards.
_SECRETS = re.compile(r"(https?://)(?:[^\s/?#\"'<>@]*@)?([^\s?\"'<>]*)(\?[^\s\"'<>]*)?")


class EventLog:
    """Writes the log lines of one function to `stream`, or else to standard output.

    Each line begins with the function's name and `fields`.
    """

    def __init__(self, function: str, stream: IO[str] | None = None, **fields: Any) -> None:
        self._fields = {"function": function, **fields}
        self._stream = stream

    @classmethod
    def of_invocation(cls, function: str, context: object, **fields: Any) -> EventLog:
        """Return the log of one invocation, whose lines also carry `request_id` and `cold_start`.

        `context` is what Lambda hands to the handler. The first call in a process is the cold start.
        """
        request_id = getattr(context, "aws_request_id", None)
        return cls(function, request_id=request_id, cold_start=next(_INVOCATIONS) == 0, **fields)

    def info(self, message: str, **fields: Any) -> None:
        """Log normal progress."""
        self._write("INFO", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Log something that was refused or will be retried."""
        self._write("WARNING", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        """Log something that a person must act on."""
        self._write("ERROR", message, fields)

    @contextmanager
    def handling(self, **fields: Any) -> Iterator[dict[str, Any]]:
        """Log the start and the end of the body, the end with `duration_ms` and the yielded dict's entries.

        An error is logged as a warning and raised again: the state machine decides what it means.
        """
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
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = {"time": now, "level": level, "message": message, **self._fields, **fields}
        text = printable(json.dumps(line, ensure_ascii=False))
        print(text, file=self._stream or sys.stdout, flush=True)


def without_secrets(text: str) -> str:
    """Return `text` with each URL cut to host and path: boto3's errors quote URLs with signatures."""
    return _SECRETS.sub(lambda found: found[1] + found[2] + ("?..." if found[3] else ""), text)


def printable(text: str) -> str:
    """Return `text` on one line, with invisible characters escaped as in JSON.

    Strangers choose object keys: a key may contain line ends, terminal commands, or marks that reverse the
    reading order.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def _since(begin_s: float) -> dict[str, int]:
    return {"duration_ms": round((time.monotonic() - begin_s) * 1000)}
