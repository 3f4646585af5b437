"""The failure manifest: an upload that got no output says so where the output would have been."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws_errors import error_code
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.fields import parse_object
from chalicelib.contract.job import Job, manifest_key
from chalicelib.contract.manifest import failure_manifest
from chalicelib.contract.objects import ObjectReference
from chalicelib.storage import storage_error, write_json

# Without the right to list a bucket S3 says of a missing object that it may not be seen.
_MISSING = {"NoSuchKey", "404", "AccessDenied", "403"}


def record_failure(job: Job, s3: Any, output_bucket: str) -> Job:
    """Write why `job` failed to `output_bucket` and return the job with the manifest's reference.

    Where its own execution has delivered after all, and only the answer was lost, nothing is written: the
    job comes back with its output and without a failure.
    """
    if job.failure is None:
        raise InvalidDocument(f"The execution for {job.source.uri} has no failure to record.")
    target = ObjectReference(output_bucket, manifest_key(job.source))
    output = _delivered(job, s3, target)
    if output is not None:
        return replace(job, output=output, manifest=target, failure=None)
    write_json(s3, target, failure_manifest(job, job.failure))
    return replace(job, manifest=target)


def _delivered(job: Job, s3: Any, target: ObjectReference) -> ObjectReference | None:
    """Return the output that a success manifest of this very execution names, None where there is none."""
    try:
        text = s3.get_object(Bucket=target.bucket, Key=target.key)["Body"].read()
    except (ClientError, BotoCoreError) as error:
        if error_code(error) in _MISSING:
            return None
        raise storage_error(f"reading s3://{target.bucket}/{target.key}: {error}", error) from error
    try:
        manifest = parse_object(text, "the manifest")
        is_own = job.execution is not None and manifest.get("execution") == job.execution.to_json()
        if not is_own or manifest.get("status") != "SUCCEEDED":
            return None
        return ObjectReference.from_json(manifest.get("output"))
    except InvalidDocument:
        return None
