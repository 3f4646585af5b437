"""Writing documents to S3, with the errors of contract/errors.py."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws_errors import error_code, is_unanswered
from chalicelib.contract.errors import ConfigurationError, FaceBlurError, StorageUnavailable
from chalicelib.contract.objects import ObjectReference

_BUSY = {"SlowDown", "RequestTimeout", "OperationAborted", "RequestTimeTooSkewed"}


def write_json(s3: Any, target: ObjectReference, text: str) -> None:
    """Write the JSON `text` to `target`, over what was there."""
    try:
        s3.put_object(
            Bucket=target.bucket, Key=target.key, Body=text.encode(), ContentType="application/json"
        )
    except (ClientError, BotoCoreError) as error:
        raise storage_error(f"writing s3://{target.bucket}/{target.key}: {error}", error) from error


def storage_error(fact: str, error: Exception) -> FaceBlurError:
    """Return the error of the contract for what S3 answered; `fact` says what was tried, on which object."""
    if error_code(error) in _BUSY or is_unanswered(error):
        return StorageUnavailable(fact)
    return ConfigurationError(f"{fact}. The bucket must exist and the role allow this call.")
