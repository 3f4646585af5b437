"""Writes the output of a sandbox to CloudWatch Logs as Lambda does: START, the lines, END, REPORT."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.contract.service_errors import error_code

TAIL_BYTES = 4096


class SandboxLog:
    """The log stream of one sandbox; `file` has the output of its process, `client` is boto3's."""

    def __init__(self, client: Any, group: str, identifier: str, file: Path) -> None:
        self.group = group
        day = datetime.now(timezone.utc).strftime("%Y/%m/%d")
        self.stream = f"{day}/[$LATEST]{identifier}"
        self._client = client
        self._file = file
        self._offset = 0
        self._tail = b""
        self._is_made = False
        self._is_forbidden = False

    def begin(self) -> None:
        """Start the tail of a new invocation."""
        self._tail = b""

    @property
    def tail(self) -> bytes:
        """Return the last 4 KB of this invocation's log."""
        return self._tail[-TAIL_BYTES:]

    @property
    def size_bytes(self) -> int:
        """Return the number of bytes that the process has printed so far."""
        return self._file.stat().st_size

    def ship(self, *closing: str, whole: bool = True) -> None:
        """Write the output since the last call, then `closing`; `whole` includes an unfinished last line."""
        with self._file.open("rb") as printed:
            printed.seek(self._offset)
            fresh = printed.read()
        end = len(fresh) if whole else fresh.rfind(b"\n") + 1
        self._offset += end
        complete = fresh[:end].decode("utf-8", "replace").removesuffix("\n").split("\n") if end else []
        lines = [*complete, *closing]
        if not lines:
            return
        self._tail = (self._tail + "".join(f"{line}\n" for line in lines).encode())[-TAIL_BYTES:]
        moment_ms = time.time_ns() // 1_000_000
        events = [{"timestamp": moment_ms, "message": line} for line in lines if line]
        try:
            self._create_stream()
            self._client.put_log_events(logGroupName=self.group, logStreamName=self.stream, logEvents=events)
        except ClientError as error:
            if error_code(error) != "AccessDeniedException":
                raise
            # Lambda runs the function all the same, and nobody sees its log.
            if not self._is_forbidden:
                print(f"local cloud: the log {self.group} is not written: {error}", file=sys.stderr)
            self._is_forbidden = True

    def _create_stream(self) -> None:
        """Create the log stream, and its group where it is missing, at the first call."""
        if self._is_made:
            return
        try:
            self._client.create_log_stream(logGroupName=self.group, logStreamName=self.stream)
        except self._client.exceptions.ResourceNotFoundException:
            with suppress(self._client.exceptions.ResourceAlreadyExistsException):
                self._client.create_log_group(logGroupName=self.group)
            self._client.create_log_stream(logGroupName=self.group, logStreamName=self.stream)
        self._is_made = True
