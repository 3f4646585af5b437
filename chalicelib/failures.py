"""The failure manifest: an upload that got no output says so where the output would have been."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws_errors import error_code
from chalicelib.contract.delivery import UNSEEN_CODES, is_own_output, own_manifest
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.job import Job, manifest_key, output_key
from chalicelib.contract.manifest import failure_manifest, success_manifest
from chalicelib.contract.objects import ObjectReference
from chalicelib.storage import storage_error, write_json

_LOST_REPORT = {"report": "lost: the renderer delivered the video and could not write its own manifest"}


def record_failure(job: Job, s3: Any, output_bucket: str) -> Job:
    """Write why `job` failed to `output_bucket` and return the job with the manifest's reference.

    Where its own execution has delivered after all, and only an answer was lost, that is no failure: the job
    comes back with its output and without a failure. A manifest that the renderer could not write is written.
    """
    if job.failure is None:
        raise InvalidDocument(f"The execution for {job.source.uri} has no failure to record.")
    target = ObjectReference(output_bucket, manifest_key(job.source))
    output = ObjectReference(output_bucket, output_key(job.source))
    if not _is_delivered(job, s3, target):
        if not _is_own(job, s3, output):
            write_json(s3, target, failure_manifest(job, job.failure))
            return replace(job, manifest=target)
        write_json(s3, target, success_manifest(job, output, _LOST_REPORT))
    return replace(job, output=output, manifest=target, failure=None)


def _is_delivered(job: Job, s3: Any, target: ObjectReference) -> bool:
    """Return whether the manifest says that this very execution has succeeded."""
    try:
        text = s3.get_object(Bucket=target.bucket, Key=target.key)["Body"].read()
    except (ClientError, BotoCoreError) as error:
        return _missing(error, target)
    return bool(own_manifest(text, job).get("status") == "SUCCEEDED")


def _is_own(job: Job, s3: Any, output: ObjectReference) -> bool:
    """Return whether the output is there, delivered by this very execution: whole and verified then."""
    try:
        metadata = s3.head_object(Bucket=output.bucket, Key=output.key)["Metadata"]
    except (ClientError, BotoCoreError) as error:
        return _missing(error, output)
    return is_own_output(metadata, job)


def _missing(error: ClientError | BotoCoreError, target: ObjectReference) -> bool:
    """Return False where S3 says that nothing is there; raise what else it says."""
    if error_code(error) in UNSEEN_CODES:
        return False
    raise storage_error(f"reading s3://{target.bucket}/{target.key}: {error}", error) from error
