"""Recording a failure: an upload that got no output says so where the output would have been."""

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
    """Write why `job` failed, for everybody and for those who review; return the job with the manifest.

    Where its own execution has delivered after all, and only an answer was lost, that is no failure: the
    manifest is confirmed, and the job comes back with its output and without a failure. An output whose
    manifest S3 refuses for good is taken away again. The manifest of a newer upload of the same key stays as
    it is: the report is the record then.
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
            # The output bucket refuses manifests: the report is the record then.
            write_json(s3, report, failure_report(job, job.failure))
            raise
        write_json(s3, report, failure_report(job, job.failure))
        return replace(job, manifest=told)
    raise StorageUnavailable(f"{bucket.manifest.uri} is written by others again and again")


def _confirm(job: Job, bucket: OutputBucket, manifest: FoundManifest) -> None:
    """Make the manifest say that the output of `job` is there, unless it does, or is a newer upload's."""
    if manifest.has(ManifestStatus.SUCCEEDED, job) or manifest.is_newer_than(job):
        return
    if manifest.has(ManifestStatus.DELIVERING, job):
        text = confirmed_manifest(manifest.fields)
    else:
        text = delivery_manifest(job, ManifestStatus.SUCCEEDED, _LOST_REPORT)
    bucket.confirm(text, manifest)
