"""What a boto3 error means, whichever service it came from."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    ResponseStreamingError,
)
from botocore.exceptions import (
    ConnectionError as NoConnectionError,
)

_SERVER_ERROR = 500


def error_code(error: BotoCoreError | ClientError) -> str:
    """Return the service's word for the error; the class name where no answer came."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def is_unanswered(error: BotoCoreError | ClientError) -> bool:
    """Return whether the service answered 5xx, or not at all."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return bool(status >= _SERVER_ERROR)
    return isinstance(error, (HTTPClientError, NoConnectionError, ResponseStreamingError))
