"""The S3 client: its configuration, and its errors as those of contract/errors.py."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.errors import SourceChanged
from chalicelib.contract.service_errors import error_code, storage_error

# One connection: memory stays constant, and the local cloud is slow with ranges.
MANAGED = TransferConfig(
    use_threads=False, multipart_threshold=64 * 1024**2, multipart_chunksize=64 * 1024**2
)
_ATTEMPTS = 5
_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "412", "PreconditionFailed", "416", "InvalidRange"})


@functools.cache
def s3_client() -> Any:
    """Return the one S3 client of this process."""
    return boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": _ATTEMPTS}))


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """Raise errors of boto3 as those of the contract; `uri` names the object in their message."""
    try:
        yield
    except (ClientError, BotoCoreError, Boto3Error) as error:
        fact = f"{uri}: {error}"
        if error_code(error) in _GONE:
            raise SourceChanged(fact) from error
        raise storage_error(fact, error) from error
