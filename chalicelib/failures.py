"""The failure manifest: an upload that got no output says so where the output would have been."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.job import Job, manifest_key
from chalicelib.contract.manifest import failure_manifest
from chalicelib.contract.objects import ObjectReference
from chalicelib.storage import write_json


def record_failure(job: Job, s3: Any, output_bucket: str) -> Job:
    """Write why `job` failed to `output_bucket` and return the job with the manifest's reference."""
    if job.failure is None:
        raise InvalidDocument(f"The execution for {job.source.uri} has no failure to record.")
    target = ObjectReference(output_bucket, manifest_key(job.source))
    write_json(s3, target, failure_manifest(job, job.failure))
    return replace(job, manifest=target)
