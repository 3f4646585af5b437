"""Sandbox: one execution environment of a function; its process is reused, and killed at its limits."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from local_cloud.lambda_service.environment import sandbox_environment
from local_cloud.lambda_service.forks import Forks, Start
from local_cloud.lambda_service.logs import SandboxLog
from local_cloud.lambda_service.process import FunctionProcess
from local_cloud.lambda_service.registry import Function
from local_cloud.lambda_service.runtime_api import VERSION_PATH, RuntimeApi, RuntimeRequest
from local_cloud.settings import RuntimeClient

_CHECK_EVERY_S = 0.1
_INIT_EXTRA_S = 10.0  # Lambda's own limit for the first import, which then counts against the timeout.
_BYTES_PER_MB = 1024 * 1024
_LOG_ROOM_BYTES = 8 * 1024
_STAND_IN = Path(__file__).with_name("runtime_client.py")


@dataclass(frozen=True)
class Place:
    """Parts that all sandboxes share: their folder, and what starts their processes.

    `variables_of` returns the variables that point a function at the cloud, `logs_of` the boto3 client for
    its log, both with a session of its role.
    """

    folder: Path
    variables_of: Callable[[Function], dict[str, str]]
    logs_of: Callable[[Function], Any]
    runtime_client: RuntimeClient
    forks: Forks


@dataclass(frozen=True)
class Invocation:
    """One event for a function, and its request id."""

    payload: bytes
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Outcome:
    """The result of an invocation; `function_error` is empty where the handler returned."""

    payload: bytes
    function_error: str = ""
    log_tail: bytes = b""


class SandboxFailure(Exception):
    """The sandbox could not finish an invocation, and cannot be reused."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type

    def payload(self, request_id: str) -> bytes:
        """Return the payload of the answer to Invoke."""
        message = f"RequestId: {request_id} Error: {self}"
        return json.dumps({"errorType": self.error_type, "errorMessage": message}).encode()


class InitFailure(SandboxFailure):
    """The handler could not be loaded; the runtime client's report is the answer."""

    def __init__(self, report: bytes) -> None:
        super().__init__("Runtime.InitError", "the handler could not be loaded")
        self._report = report

    def payload(self, request_id: str) -> bytes:  # noqa: ARG002 the report names no request
        """Return the payload of the answer to Invoke."""
        return self._report


class Sandbox:
    """One process of one function."""

    def __init__(self, function: Function, place: Place) -> None:
        self.function = function
        identifier = secrets.token_hex(16)
        self._folder = place.folder / identifier
        (self._folder / "tmp").mkdir(parents=True)
        output = self._folder / "output"
        output.touch()
        self._api = RuntimeApi()
        self._log = SandboxLog(place.logs_of(function), f"/aws/lambda/{function.name}", identifier, output)
        self._waiting: RuntimeRequest | None = None
        self._init_ms: float | None = None
        self._peak_bytes = 0
        self._memory_bytes = function.memory_mb * _BYTES_PER_MB
        self._is_spent = False
        self._started_s = time.monotonic()
        environment = sandbox_environment(
            function,
            place.variables_of(function),
            self._api.address,
            self._folder / "tmp",
            self._log.stream,
        )
        start = Start(
            "awslambdaric" if place.runtime_client is RuntimeClient.AWSLAMBDARIC else str(_STAND_IN),
            (function.handler,),
            function.code_folder,
            environment,
            output,
        )
        self._process = FunctionProcess(place.forks.start(function, start))

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Return whether the process runs, and no fault has used up its memory or storage."""
        return self._process.exit_code() is None and not self._is_spent

    def invoke(self, invocation: Invocation) -> Outcome:
        """Return the outcome of the event; after a SandboxFailure the process is dead."""
        self._log.begin()
        begin_s = time.monotonic()
        closing: list[str] = []
        try:
            self._wait_until_ready()
            begin_s = time.monotonic()
            self._log.ship(f"START RequestId: {invocation.request_id} Version: $LATEST")
            payload, function_error = self._run(invocation)
        except SandboxFailure as failure:
            self._process.kill()
            payload, function_error = failure.payload(invocation.request_id), "Unhandled"
            if failure.error_type == "Sandbox.Timedout":
                now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
                closing = [f"{now} {invocation.request_id} {failure}"]
        report = self._report(invocation, (time.monotonic() - begin_s) * 1000)
        self._log.ship(*closing, f"END RequestId: {invocation.request_id}", report)
        return Outcome(payload, function_error, self._log.tail)

    def kill(self) -> None:
        """End the process; an invocation in it fails."""
        self._process.kill()

    def run_out_of_memory(self) -> None:
        """Make the process exceed its memory limit at the next check."""
        self._is_spent, self._memory_bytes = True, 0

    def fill_storage(self) -> None:
        """Leave the process no room for files other than its log."""
        self._is_spent = True
        self._process.limit_files(self._log.size_bytes + _LOG_ROOM_BYTES)

    def close(self) -> None:
        """Kill the process and remove its folder."""
        self.kill()
        if self._waiting is not None:
            self._waiting.close()
        self._api.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_ready(self) -> None:
        limit_s = self.function.timeout_s + _INIT_EXTRA_S
        request = self._receive(limit_s)
        if request.path.endswith("/init/error"):
            request.answer("202 Accepted", body=b"{}")
            raise InitFailure(request.body)
        self._waiting = request
        if self._init_ms is None:
            self._init_ms = (time.monotonic() - self._started_s) * 1000

    def _run(self, invocation: Invocation) -> tuple[bytes, str]:
        if self._waiting is None:
            raise RuntimeError("the sandbox was not ready")
        deadline_ms = time.time_ns() // 1_000_000 + self.function.timeout_s * 1000
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.function.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Sampled=0",
        }
        self._waiting.answer("200 OK", headers, invocation.payload)
        self._waiting = None
        answer = self._receive(self.function.timeout_s)
        self._note_memory()
        answer.answer("202 Accepted", body=b"{}")
        if answer.path == f"{VERSION_PATH}/invocation/{invocation.request_id}/response":
            return answer.body, ""
        return answer.body, "Unhandled"

    def _receive(self, limit_s: float) -> RuntimeRequest:
        """Return the next request of the process; raise SandboxFailure at a limit or when it exits."""
        deadline_s = time.monotonic() + limit_s
        while True:
            left_s = deadline_s - time.monotonic()
            request = self._api.receive(min(_CHECK_EVERY_S, left_s))
            if request is not None:
                return request
            if self._note_memory() > self._memory_bytes:
                raise SandboxFailure("Runtime.ExitError", _exit_message(-signal.SIGKILL))
            code = self._process.exit_code()
            if code is not None:
                raise SandboxFailure("Runtime.ExitError", _exit_message(code))
            if left_s <= 0:
                raise SandboxFailure(
                    "Sandbox.Timedout", f"Task timed out after {self.function.timeout_s:.2f} seconds"
                )
            self._log.ship(whole=False)

    def _note_memory(self) -> int:
        resident_bytes = self._process.resident_bytes()
        self._peak_bytes = max(self._peak_bytes, resident_bytes)
        return resident_bytes

    def _report(self, invocation: Invocation, duration_ms: float) -> str:
        # A killed sandbox is reported at its limit, as Lambda does.
        used_mb = min(self._peak_bytes // _BYTES_PER_MB, self.function.memory_mb)
        fields = [
            f"REPORT RequestId: {invocation.request_id}",
            f"Duration: {duration_ms:.2f} ms",
            f"Billed Duration: {int(duration_ms) + 1} ms",
            f"Memory Size: {self.function.memory_mb} MB",
            f"Max Memory Used: {used_mb} MB",
        ]
        if self._init_ms:
            fields.append(f"Init Duration: {self._init_ms:.2f} ms")
            self._init_ms = 0
        return "\t".join(fields) + "\t"


def _exit_message(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    if code == -signal.SIGKILL:
        return "Runtime exited with error: signal: killed"
    reason = f"signal: {-code}" if code < 0 else f"exit status {code}"
    return f"Runtime exited with error: {reason}"
