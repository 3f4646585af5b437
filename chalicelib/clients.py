"""boto3 clients: one of each service for the life of the function, handed to others as arguments."""

from functools import cache
from typing import Any


@cache
def client(service: str) -> Any:
    """Return the client of `service`, with waits that leave room for the state machine's own retries."""
    import boto3  # noqa: PLC0415 a tenth of a second that a warm start and a refused event need not pay
    from botocore.config import Config  # noqa: PLC0415 as above

    return boto3.client(
        service,
        config=Config(
            connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 2}
        ),
    )
