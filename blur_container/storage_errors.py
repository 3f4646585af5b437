"""Storage errors: what S3 and boto3 say, in the words of contract/errors.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from chalicelib.contract.delivery import UNSEEN_CODES
from chalicelib.contract.errors import ConfigurationError, SourceChanged, StorageUnavailable

_GONE = ("404", "NoSuchKey", "NoSuchVersion", "412", "PreconditionFailed", "416", "InvalidRange")
_BUSY = ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "Throttling", "ThrottlingException")
_SERVER_ERROR = 500


def is_unseen(error: ClientError) -> bool:
    """Return whether S3 says that nothing is there, or that it may not be seen."""
    return _code(error) in UNSEEN_CODES


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """Turn errors of boto3 into those of the contract."""
    try:
        yield
    except ClientError as error:
        raise _refused(uri, error) from error
    except NoCredentialsError as error:
        raise ConfigurationError(f"{uri}: {error}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StorageUnavailable(f"{uri}: {error}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _refused(uri: str, error: ClientError) -> Exception:
    code = _code(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _GONE:
        return SourceChanged(f"{uri}: {error}")
    if code in _BUSY or status >= _SERVER_ERROR:
        return StorageUnavailable(f"{uri}: {error}")
    # Access denied, no such bucket: the deployment is wrong, not the network.
    return ConfigurationError(f"{uri}: {error}")
