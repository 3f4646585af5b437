"""Delivery of a verified video: claim the manifest, write the output, confirm; withdraw it on a failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from blur_container.storage.s3 import Storage
from chalicelib.contract.delivery import LOOKS_MAX, FoundManifest, OutputBucket, Overtaken, condition
from chalicelib.contract.errors import FailureRecorded, StorageUnavailable, Superseded
from chalicelib.contract.job import Job, report_key
from chalicelib.contract.manifest import (
    ManifestStatus,
    confirmed_manifest,
    delivery_manifest,
    full_report,
)
from chalicelib.contract.objects import ObjectReference

_RENDERED = {"status": "RENDERED"}


@dataclass(frozen=True)
class Delivery:
    """The delivery of one job: output and manifest go to `bucket`, the report goes to `work_bucket`."""

    storage: Storage
    job: Job
    bucket: OutputBucket
    work_bucket: str

    @classmethod
    def of(cls, job: Job, storage: Storage, output_bucket: str, work_bucket: str) -> Delivery:
        """Return the delivery of `job`."""
        return cls(storage, job, storage.output_bucket(job, output_bucket), work_bucket)

    def finished_before(self) -> Job | None:
        """Return the delivered job if an earlier invocation of its execution wrote the output, else None.

        The answer of an invocation can be lost, so a written output is confirmed and not rendered again.
        Raise FailureRecorded where the execution is recorded as failed, Superseded where a newer upload of
        the same key is delivered or being delivered.
        """
        output = self.bucket.read_output()
        manifest = self._checked_manifest()
        if manifest.has(ManifestStatus.SUCCEEDED, self.job):
            return self._delivered()
        if output.is_of(self.job) and manifest.has(ManifestStatus.DELIVERING, self.job):
            return self._confirm(manifest)
        return None

    def run(self, facts: Mapping[str, Any], write: Callable[[Mapping[str, str]], object]) -> Job:
        """Deliver a verified video; return the job with output and manifest.

        `write` must write it to the output's key if its argument, a condition, is true, or raise Overtaken.
        `facts` are the renderer's report. Raise FailureRecorded or Superseded like `finished_before`; then,
        and where the manifest cannot be confirmed, no output of this job is readable.
        """
        report = ObjectReference(self.work_bucket, report_key(self.job))
        self.storage.write_json(full_report(self.job, {**_RENDERED, **facts}), report)
        text = delivery_manifest(self.job, ManifestStatus.DELIVERING, facts)
        for _ in range(LOOKS_MAX):
            # Read the output first: another execution claims the manifest before it replaces the output.
            output = self.bucket.read_output()
            manifest = self._checked_manifest()
            try:
                claim = self.bucket.write_manifest(text, manifest)
                if not output.is_of(self.job):
                    write(condition(output.etag))
            except Overtaken:
                continue
            return self._confirm(claim)
        raise self._written_by_others()

    def _confirm(self, claim: FoundManifest) -> Job:
        for _ in range(LOOKS_MAX):
            try:
                self.bucket.confirm(confirmed_manifest(claim.fields), claim)
            except Overtaken:
                now = self.bucket.read_manifest()
                if now.has(ManifestStatus.FAILED, self.job):
                    self.bucket.withdraw_output()
                    raise self._failed() from None
                if now.has(ManifestStatus.SUCCEEDED, self.job) or now.is_newer_than(self.job):
                    return self._delivered()
                claim = replace(claim, etag=now.etag)
                continue
            return self._delivered()
        raise self._written_by_others()

    def _checked_manifest(self) -> FoundManifest:
        manifest = self.bucket.read_manifest()
        if manifest.has(ManifestStatus.FAILED, self.job):
            # The failure may have been recorded between the video and its confirmation.
            self.bucket.withdraw_output()
            raise self._failed()
        if manifest.is_newer_than(self.job):
            raise Superseded(
                f"{self.job.source.uri} was uploaded again: the newer version is delivered, this one is not"
            )
        return manifest

    def _delivered(self) -> Job:
        return replace(self.job, output=self.bucket.output, manifest=self.bucket.manifest)

    def _failed(self) -> FailureRecorded:
        return FailureRecorded(f"{self.job.source.uri}: its failure is recorded, so nothing is delivered")

    def _written_by_others(self) -> StorageUnavailable:
        return StorageUnavailable(f"{self.bucket.output.uri} is written by others again and again")
