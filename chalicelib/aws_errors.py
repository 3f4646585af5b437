"""What a boto3 error means, whichever service it came from."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ResponseStreamingError
from botocore.exceptions import ConnectionError as NoConnectionError

from chalicelib.contract.service_errors import error_code

__all__ = ["error_code", "is_unanswered"]

_SERVER_ERROR = 500


def is_unanswered(error: BotoCoreError | ClientError) -> bool:
    """Return whether the service answered 5xx, or not at all."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return bool(status >= _SERVER_ERROR)
    return isinstance(error, (HTTPClientError, NoConnectionError, ResponseStreamingError))
