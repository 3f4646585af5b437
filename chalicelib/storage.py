"""Reading and writing S3, with the errors of contract/errors.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.objects import ObjectReference
from chalicelib.contract.service_errors import storage_error


@contextmanager
def named_errors(what: str) -> Iterator[None]:
    """Raise boto3's errors as errors of the contract; `what` names the action and the object."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise storage_error(f"{what}: {error}", error) from error


def write_json(s3: Any, target: ObjectReference, text: str) -> None:
    """Write the JSON `text` to `target`, replacing an existing object."""
    with named_errors(f"writing {target.uri}"):
        s3.put_object(
            Bucket=target.bucket, Key=target.key, Body=text.encode(), ContentType="application/json"
        )
