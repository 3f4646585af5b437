"""Transfer: objects from and to S3; the only module that knows boto3."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from chalicelib.contract.errors import ConfigurationError, SourceChanged, StorageUnavailable
from chalicelib.contract.objects import ObjectReference, SourceObject

_BLOCK_BYTES = 1024**2
_ATTEMPTS = 5
_GONE = ("404", "NoSuchKey", "NoSuchVersion", "412", "PreconditionFailed")
_BUSY = ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "Throttling", "ThrottlingException")
_SERVER_ERROR = 500
# One connection: the function's memory stays flat, and the local cloud answers ranges slowly.
_UPLOAD = TransferConfig(
    use_threads=False, multipart_threshold=64 * 1024**2, multipart_chunksize=64 * 1024**2
)


@functools.cache
def s3_client() -> Any:
    """Return the one S3 client of this process."""
    return boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": _ATTEMPTS}))


class Storage:
    """Reads and writes objects through an S3 client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def download(self, source: SourceObject, target: Path) -> int:
        """Write the pinned version of `source` to `target`; return its bytes.

        Raise SourceChanged where that version is gone, StorageUnavailable where S3 does not deliver it whole.
        """
        with _translated(source.uri):
            answer = self._client.get_object(Bucket=source.bucket, Key=source.key, **_pin(source))
            expected = int(answer["ContentLength"])
            with closing(answer["Body"]) as body, target.open("wb") as file:
                for block in body.iter_chunks(_BLOCK_BYTES):
                    file.write(block)
        found = target.stat().st_size
        if found != expected:
            raise StorageUnavailable(f"{source.uri}: {found} of {expected} bytes arrived")
        return found

    def upload(
        self, path: Path, target: ObjectReference, content_type: str, metadata: Mapping[str, str]
    ) -> int:
        """Write the file at `path` to `target`; return its bytes. `metadata` holds ASCII only."""
        with _translated(_uri(target)):
            self._client.upload_file(
                str(path),
                target.bucket,
                target.key,
                ExtraArgs={"ContentType": content_type, "Metadata": dict(metadata)},
                Config=_UPLOAD,
            )
        return path.stat().st_size

    def read_text(self, source: ObjectReference) -> str:
        """Return the text in `source`."""
        with _translated(_uri(source)):
            answer = self._client.get_object(Bucket=source.bucket, Key=source.key)
            # Not `with body:` - that hands out the raw stream, which does not count its bytes.
            with closing(answer["Body"]) as body:
                content: bytes = body.read()
            return content.decode()

    def write_json(self, text: str, target: ObjectReference) -> None:
        """Write the JSON `text` to `target`."""
        with _translated(_uri(target)):
            self._client.put_object(
                Bucket=target.bucket,
                Key=target.key,
                Body=text.encode(),
                ContentType="application/json; charset=utf-8",
            )


def _pin(source: SourceObject) -> dict[str, str]:
    if source.version_id:
        return {"VersionId": source.version_id}
    return {"IfMatch": source.etag}


def _uri(reference: ObjectReference) -> str:
    return f"s3://{reference.bucket}/{reference.key}"


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    """Turn errors of boto3 into those of the contract."""
    try:
        yield
    except ClientError as error:
        raise _refused(uri, error) from error
    except NoCredentialsError as error:
        raise ConfigurationError(f"{uri}: {error}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StorageUnavailable(f"{uri}: {error}") from error


def _refused(uri: str, error: ClientError) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _GONE:
        return SourceChanged(f"{uri}: {error}")
    if code in _BUSY or status >= _SERVER_ERROR:
        return StorageUnavailable(f"{uri}: {error}")
    # Access denied, no such bucket: the deployment is wrong, not the network.
    return ConfigurationError(f"{uri}: {error}")
