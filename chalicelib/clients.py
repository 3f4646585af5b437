"""boto3 clients: one of each service for the lifetime of the function's process."""

from functools import cache
from typing import Any


@cache
def client(service: str) -> Any:
    """Return the client of `service`; its short timeouts leave retries to the state machine."""
    import boto3  # noqa: PLC0415 takes 0.1 s, which a refused event need not wait for
    from botocore.config import Config  # noqa: PLC0415 as above

    return boto3.client(
        service,
        config=Config(
            connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 2}
        ),
    )
