"""Reading and writing S3, with the errors of contract/errors.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.errors import StorageUnavailable
from chalicelib.contract.objects import ObjectReference
from chalicelib.contract.service_errors import storage_error


@contextmanager
def named_errors(what: str) -> Iterator[None]:
    """Raise boto3's errors as errors of the contract; `what` names the action and the object."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise storage_error(f"{what}: {error}", error) from error


def read_json(s3: Any, place: ObjectReference) -> bytes:
    """Return the text of the JSON object at `place`."""
    with named_errors(f"reading {place.uri}"):
        answer = s3.get_object(Bucket=place.bucket, Key=place.key)
    with closing(answer["Body"]) as body:
        try:
            text: bytes = body.read()
        except (BotoCoreError, OSError) as error:
            # The body broke off, or its checksum is wrong: another answer may be good.
            raise StorageUnavailable(f"reading {place.uri}: {error}") from error
    return text


def write_json(s3: Any, target: ObjectReference, text: str) -> None:
    """Write the JSON `text` to `target`, replacing an existing object."""
    with named_errors(f"writing {target.uri}"):
        s3.put_object(
            Bucket=target.bucket, Key=target.key, Body=text.encode(), ContentType="application/json"
        )
