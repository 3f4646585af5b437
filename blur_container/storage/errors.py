"""Storage errors: what S3 and boto3 say, in the words of contract/errors.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.errors import SourceChanged
from chalicelib.contract.service_errors import error_code, storage_error

_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "412", "PreconditionFailed", "416", "InvalidRange"})


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """Turn errors of boto3 into those of the contract."""
    try:
        yield
    except (ClientError, BotoCoreError, Boto3Error) as error:
        fact = f"{uri}: {error}"
        if error_code(error) in _GONE:
            raise SourceChanged(fact) from error
        raise storage_error(fact, error) from error
