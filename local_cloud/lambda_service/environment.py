"""The environment variables of a sandbox: those of Lambda, and none that could reach a real account."""

from __future__ import annotations

import os
from pathlib import Path

from local_cloud.lambda_service.registry import Function

# The interpreter needs these to start, wherever it is installed.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


def sandbox_environment(
    function: Function, variables: dict[str, str], runtime_address: str, folder: Path, log_stream: str
) -> dict[str, str]:
    """Return the whole environment of a process of `function`; `folder` is its /tmp.

    `variables` point AWS clients at the local cloud, with a session of the function's role.
    """
    return {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        **function.variables,
        **variables,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(function.code_folder),
        "PYTHONUNBUFFERED": "1",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_address,
        "LAMBDA_TASK_ROOT": str(function.code_folder),
        "_HANDLER": function.handler,
        **({"AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}"} if function.runtime else {}),
    }
