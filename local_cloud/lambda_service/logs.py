"""What a sandbox prints, written to CloudWatch Logs as Lambda writes it: START, the lines, END, REPORT."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

TAIL_BYTES = 4096


class SandboxLog:
    """The log stream of one sandbox, fed from the file that its process prints to; `client` is boto3's."""

    def __init__(self, client: Any, group: str, identifier: str, file: Path) -> None:
        self.group = group
        day = datetime.now(timezone.utc).strftime("%Y/%m/%d")
        self.stream = f"{day}/[$LATEST]{identifier}"
        self._client = client
        self._file = file
        self._offset = 0
        self._tail = b""
        self._is_made = False

    def begin(self) -> None:
        """Forget the tail of the last invocation."""
        self._tail = b""

    @property
    def tail(self) -> bytes:
        """Return the last 4 KB of this invocation's log."""
        return self._tail[-TAIL_BYTES:]

    @property
    def size_bytes(self) -> int:
        """Return how much the process has printed so far."""
        return self._file.stat().st_size

    def ship(self, *closing: str, whole: bool = True) -> None:
        """Write what was printed since the last call, then `closing`; `whole` takes unfinished lines too."""
        lines = [*self._printed(whole=whole), *closing]
        if not lines:
            return
        self._tail = (self._tail + "".join(f"{line}\n" for line in lines).encode())[-TAIL_BYTES:]
        moment_ms = time.time_ns() // 1_000_000
        events = [{"timestamp": moment_ms, "message": line} for line in lines if line]
        self._make_stream()
        self._client.put_log_events(logGroupName=self.group, logStreamName=self.stream, logEvents=events)

    def _printed(self, *, whole: bool) -> list[str]:
        with self._file.open("rb") as printed:
            printed.seek(self._offset)
            fresh = printed.read()
        end = len(fresh) if whole else fresh.rfind(b"\n") + 1
        self._offset += end
        return fresh[:end].decode("utf-8", "replace").removesuffix("\n").split("\n") if end else []

    def _make_stream(self) -> None:
        if self._is_made:
            return
        try:
            self._client.create_log_stream(logGroupName=self.group, logStreamName=self.stream)
        except self._client.exceptions.ResourceNotFoundException:
            with suppress(self._client.exceptions.ResourceAlreadyExistsException):
                self._client.create_log_group(logGroupName=self.group)
            self._client.create_log_stream(logGroupName=self.group, logStreamName=self.stream)
        self._is_made = True
