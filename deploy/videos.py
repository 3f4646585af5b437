"""Videos from here to a stage and back: for whoever has no other program that speaks to S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from chalicelib.contract.job import Job, output_key
from chalicelib.contract.service_errors import error_code
from chalicelib.contract.suffixes import MP4, suffix_of
from deploy.account import Clients
from deploy.errors import VideoUnavailable
from deploy.executions import ExecutionReport, read_executions
from deploy.names import Names


def upload(clients: Clients, names: Names, video: Path, key: str) -> str:
    """Upload the file `video` to the stage's input bucket and return its URI; without `key` by its name."""
    if not video.is_file():
        raise VideoUnavailable(f"There is no file {video}: make upload VIDEO=path/to/your.mp4.")
    key, bucket = key or video.name, names.buckets["input"]
    suffixes = (MP4, *names.settings.suffixes)
    if suffix_of(key) not in suffixes:
        raise VideoUnavailable(
            f"{key} does not end in {' or '.join(suffixes)}: nobody would be told of it. Name it so,"
            " KEY=my.mp4."
        )
    try:
        clients("s3").upload_file(str(video), bucket, key)
    except S3UploadFailedError as error:
        raise VideoUnavailable(
            f"{error}. Where there is no bucket, `make deploy STAGE={names.settings.stage}` makes it."
        ) from error
    return f"s3://{bucket}/{key}"


def download(clients: Clients, names: Names, key: str, target: Path) -> None:
    """Download the blurred video of the newest upload under `key` to `target`; leave no partial file.

    Raise VideoUnavailable while there is none, or where there will be none.
    """
    if not key:
        raise VideoUnavailable("No upload is named: make download KEY=my.mp4.")
    job = _delivered(clients, names, key)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        clients("s3").download_file(names.buckets["output"], output_key(job.source), str(partial))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _delivered(clients: Clients, names: Names, key: str) -> Job:
    """Return the job of the newest upload under `key`; raise VideoUnavailable unless it succeeded."""
    found = _newest(clients, names, key)
    again = f"make status STAGE={names.settings.stage} KEY={key}"
    if found is None or found.job is None:
        raise VideoUnavailable(f"No execution has begun for {key} so far: `{again}` shows when one has.")
    if found.status == "RUNNING":
        raise VideoUnavailable(f"{key} is being blurred: `{again}` shows when it is done.")
    if found.status != "SUCCEEDED":
        raise VideoUnavailable(f"{key} was not blurred. {found.error}: {found.cause}")
    return found.job


def _newest(clients: Clients, names: Names, key: str) -> ExecutionReport | None:
    version = _version(clients("s3"), names.buckets["input"], key)
    found = read_executions(clients("stepfunctions"), names.state_machine_arn, key)
    return next((one for one in found if one.job and version in {"", one.job.source.version_id}), None)


def _version(s3: Any, bucket: str, key: str) -> str:
    """Return the version of the newest upload; an empty text where it was deleted since."""
    try:
        return str(s3.head_object(Bucket=bucket, Key=key).get("VersionId", ""))
    except ClientError as error:
        if error_code(error) not in {"404", "NoSuchKey", "NotFound"}:
            raise
        return ""
