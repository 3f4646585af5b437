"""Substitute for awslambdaric where that has no wheel: runs a handler on each event of the Runtime API.

Runs as a script inside a sandbox, so it imports nothing of this project, and first removes its own folder
from the import path.
"""

from __future__ import annotations

import http.client
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_VERSION_PATH = "/2018-06-01/runtime"
_ERROR_TYPE_HEADER = "Lambda-Runtime-Function-Error-Type"


@dataclass(frozen=True)
class Context:
    """The second argument of a handler: Lambda's context without the fields for mobile clients."""

    aws_request_id: str
    invoked_function_arn: str
    deadline_ms: int
    function_name: str
    function_version: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str
    client_context: None = None
    identity: None = None

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before the timeout."""
        return max(0, self.deadline_ms - time.time_ns() // 1_000_000)


def main(handler_name: str) -> int:
    """Serve events until the sandbox is killed; return 1 where the handler cannot be loaded."""
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    try:
        module_name, _, name = handler_name.rpartition(".")
        handler = getattr(importlib.import_module(module_name.replace("/", ".")), name)
    except Exception as error:  # noqa: BLE001 whatever an import raises is reported as Lambda does
        _post(address, "/init/error", _init_error(handler_name, error))
        return 1
    while True:
        _serve_one(address, handler)


def _serve_one(address: str, handler: Callable[[Any, Context], Any]) -> None:
    headers, body = _request(address, "GET", "/invocation/next")
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        answer = json.dumps(handler(json.loads(body), _context(headers))).encode()
    except Exception as error:  # noqa: BLE001 every error of a handler is the function's answer
        traceback.print_exc()
        _post(address, f"/invocation/{request_id}/error", _error(type(error).__name__, str(error), error))
    else:
        _request(address, "POST", f"/invocation/{request_id}/response", answer)


def _context(headers: http.client.HTTPMessage) -> Context:
    return Context(
        aws_request_id=headers["Lambda-Runtime-Aws-Request-Id"],
        invoked_function_arn=headers["Lambda-Runtime-Invoked-Function-Arn"],
        deadline_ms=int(headers["Lambda-Runtime-Deadline-Ms"]),
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        function_version=os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        log_group_name=os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
    )


def _init_error(handler_name: str, error: Exception) -> dict[str, Any]:
    module_name, _, name = handler_name.rpartition(".")
    if isinstance(error, ImportError):
        return _error("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}", error)
    if isinstance(error, SyntaxError):
        return _error(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", error
        )
    if isinstance(error, AttributeError):
        return _error("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'", error)
    return _error(type(error).__name__, str(error), error)


def _error(error_type: str, message: str, error: Exception) -> dict[str, Any]:
    frames = traceback.format_tb(error.__traceback__)
    return {"errorType": error_type, "errorMessage": message, "stackTrace": frames}


def _post(address: str, path: str, document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()
    _request(address, "POST", path, body, {_ERROR_TYPE_HEADER: document["errorType"]})


def _request(
    address: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(address)
    try:
        connection.request(method, _VERSION_PATH + path, body, headers or {})
        response = connection.getresponse()
        return response.headers, response.read()
    finally:
        connection.close()


if __name__ == "__main__":
    sys.path[:] = [
        entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent
    ]
    sys.exit(main(sys.argv[1]))
