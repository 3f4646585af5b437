"""Records a failure: writes the failure manifest to the place of the missing output."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.contract.delivery import LOOKS_MAX, FoundManifest, OutputBucket, Overtaken
from chalicelib.contract.errors import InvalidDocument, PermanentError, StorageUnavailable
from chalicelib.contract.job import Job, report_key
from chalicelib.contract.manifest import (
    ManifestStatus,
    confirmed_manifest,
    delivery_manifest,
    failure_manifest,
    failure_report,
)
from chalicelib.contract.objects import ObjectReference
from chalicelib.storage import named_errors, write_json

_LOST_REPORT = {"report": "lost: the renderer delivered the video and its manifest was taken away"}


def record_failure(job: Job, s3: Any, output_bucket: str, work_bucket: str) -> Job:
    """Write the failure of `job` to the manifest and the full report; return the job with the manifest.

    Where the job's own execution has delivered, and only an answer was lost, this confirms the manifest and
    returns the job with its output and without a failure. An output whose manifest S3 refuses permanently is
    deleted again. The manifest of a newer upload of the same key is left as it is: then only the report
    records the failure.
    """
    if job.failure is None:
        raise InvalidDocument(f"The execution for {job.source.uri} has no failure to record.")
    bucket = OutputBucket(s3, job, output_bucket, named_errors)
    report = ObjectReference(work_bucket, report_key(job))
    for _ in range(LOOKS_MAX):
        output = bucket.read_output()
        manifest = bucket.read_manifest()
        try:
            if manifest.has(ManifestStatus.SUCCEEDED, job) or output.is_of(job):
                _confirm(job, bucket, manifest)
                return replace(job, output=bucket.output, manifest=bucket.manifest, failure=None)
            told = report if manifest.is_newer_than(job) else bucket.manifest
            if told is bucket.manifest:
                bucket.write_manifest(failure_manifest(job, job.failure, output.source_version), manifest)
        except Overtaken:
            continue
        except PermanentError:
            # The output bucket refuses manifests: only the report records the failure.
            write_json(s3, report, failure_report(job, job.failure))
            raise
        write_json(s3, report, failure_report(job, job.failure))
        return replace(job, manifest=told)
    raise StorageUnavailable(f"{bucket.manifest.uri} was changed by other executions in every try")


def _confirm(job: Job, bucket: OutputBucket, manifest: FoundManifest) -> None:
    """Write the SUCCEEDED manifest of `job`, unless it is written, or a newer upload has its place."""
    if manifest.has(ManifestStatus.SUCCEEDED, job) or manifest.is_newer_than(job):
        return
    if manifest.has(ManifestStatus.DELIVERING, job):
        text = confirmed_manifest(manifest.fields)
    else:
        text = delivery_manifest(job, ManifestStatus.SUCCEEDED, _LOST_REPORT)
    bucket.confirm(text, manifest)
