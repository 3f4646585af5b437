"""Delivery: writes the output and its manifest to the output bucket, and finds which execution wrote them.

Two objects cannot change in one step. An execution therefore claims the manifest ("DELIVERING"), writes the
video, and confirms ("SUCCEEDED"). Each write is conditional on the ETag that was read before, so S3 refuses
it where another execution has written since. docs/adr/0019 explains the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from chalicelib.contract.errors import FaceBlurError, InvalidDocument, PermanentError
from chalicelib.contract.fields import parse_object
from chalicelib.contract.job import Job, manifest_key, output_key
from chalicelib.contract.manifest import ManifestStatus, execution_note
from chalicelib.contract.objects import ObjectReference
from chalicelib.contract.service_errors import error_code

# Tries to read and write again after another execution of the same key has written.
LOOKS_MAX = 8
ABSENT_CODES = frozenset({"404", "NoSuchKey"})
# S3's codes for a write whose condition is false.
_OVERTAKEN_CODES = ABSENT_CODES | {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}
_UNVERSIONED = (None, "", "null")


class Overtaken(FaceBlurError):
    """Another execution has written the object since it was read; the writer catches this and reads again."""


@dataclass(frozen=True)
class FoundManifest:
    """The current manifest; `etag` is None where there is none, `fields` is empty where it is unreadable."""

    etag: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def is_of(self, job: Job) -> bool:
        """Return whether the execution of `job` wrote it."""
        return job.execution is not None and self.fields.get("execution") == execution_note(job)

    def has(self, status: ManifestStatus, job: Job) -> bool:
        """Return whether the execution of `job` wrote it, with this status."""
        return self.is_of(job) and self.fields.get("status") == status.value

    def is_newer_than(self, job: Job) -> bool:
        """Return whether it belongs to a later upload of the same key than that of `job`.

        S3's rule for sequencers: the shorter one is padded with zeros at its right before they are compared.
        """
        source = self.fields.get("source")
        found = source.get("sequencer") if isinstance(source, dict) else None
        if not isinstance(found, str):
            return False
        own = job.source.sequencer
        digits = max(len(found), len(own))
        return found.ljust(digits, "0").upper() > own.ljust(digits, "0").upper()


@dataclass(frozen=True)
class FoundOutput:
    """The current object at the output's key; `etag` is None where there is none."""

    etag: str | None = None
    version_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def is_of(self, job: Job) -> bool:
        """Return whether the execution of `job` delivered it; then it is complete and verified."""
        return job.execution is not None and dict(self.metadata) == output_metadata(job)

    @property
    def source_version(self) -> str | None:
        """Return the version of the upload that it was made from, if its metadata has one."""
        return self.metadata.get("source-version")


def output_metadata(job: Job) -> dict[str, str]:
    """Return the S3 metadata of the output: the version of the upload, and the execution."""
    return {
        "source-version": job.source.version_id or job.source.etag,
        "execution": job.execution.name if job.execution else "",
    }


def condition(etag: str | None) -> dict[str, str]:
    """Return the condition of a write that replaces the object with this ETag, or creates the first one."""
    return {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}


class OutputBucket:
    """Output and manifest of one job in the output bucket.

    `named_errors` turns boto3's errors into those of the contract. It is an argument because the contract
    imports the standard library only.
    """

    def __init__(
        self,
        client: Any,
        job: Job,
        bucket: str,
        named_errors: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self.output = ObjectReference(bucket, output_key(job.source))
        self.manifest = ObjectReference(bucket, manifest_key(job.source))
        self._client, self._job, self._named_errors = client, job, named_errors

    def read_manifest(self) -> FoundManifest:
        """Return the current manifest."""
        found = self._read_manifest()
        if found is None:
            return FoundManifest()
        text, etag = found
        try:
            return FoundManifest(etag, parse_object(text, "the manifest"))
        except InvalidDocument:
            return FoundManifest(etag)

    def read_output(self) -> FoundOutput:
        """Return the current object at the output's key."""
        with self._named_errors(self.output.uri):
            try:
                answer = self._client.head_object(Bucket=self.output.bucket, Key=self.output.key)
            except self._client.exceptions.ClientError as error:
                if error_code(error) in ABSENT_CODES:
                    return FoundOutput()
                raise
        return FoundOutput(answer["ETag"], answer.get("VersionId"), answer.get("Metadata") or {})

    def write_manifest(self, text: str, found: FoundManifest) -> FoundManifest:
        """Replace the manifest that was found; raise Overtaken where another one is there by now.

        boto3 retries a write whose answer was lost, and then finds its own manifest: that counts as success.
        """
        content = text.encode()
        with self._named_errors(self.manifest.uri):
            try:
                answer = self._client.put_object(
                    Bucket=self.manifest.bucket,
                    Key=self.manifest.key,
                    Body=content,
                    ContentType="application/json; charset=utf-8",
                    **condition(found.etag),
                )
            except self._client.exceptions.ClientError as error:
                if error_code(error) not in _OVERTAKEN_CODES:
                    raise
                overtaken = error
            else:
                return FoundManifest(answer["ETag"], parse_object(content, "the manifest"))
        now = self._read_manifest()
        if now is not None and now[0] == content:
            return FoundManifest(now[1], parse_object(content, "the manifest"))
        raise Overtaken(f"{self.manifest.uri} was written by another") from overtaken

    def confirm(self, text: str, claim: FoundManifest) -> None:
        """Write the manifest of a delivered output; delete the output where S3 refuses permanently."""
        try:
            self.write_manifest(text, claim)
        except PermanentError:
            self.withdraw_output()
            raise

    def withdraw_output(self) -> None:
        """Delete the output if the job's own execution delivered it, and it is still the current object."""
        found = self.read_output()
        if not found.is_of(self._job):
            return
        named = found.version_id not in _UNVERSIONED
        which = {"VersionId": found.version_id} if named else {"IfMatch": found.etag}
        # Deleted or replaced meanwhile: then nobody can read it either.
        with suppress(Overtaken), self._named_errors(self.output.uri), conditional(self._client):
            self._client.delete_object(Bucket=self.output.bucket, Key=self.output.key, **which)

    def _read_manifest(self) -> tuple[bytes, str] | None:
        with self._named_errors(self.manifest.uri):
            try:
                answer = self._client.get_object(Bucket=self.manifest.bucket, Key=self.manifest.key)
            except self._client.exceptions.ClientError as error:
                if error_code(error) in ABSENT_CODES:
                    return None
                raise
            return answer["Body"].read(), answer["ETag"]


@contextmanager
def conditional(client: Any) -> Iterator[None]:
    """Raise S3's refusal of a condition as Overtaken."""
    try:
        yield
    except client.exceptions.ClientError as error:
        if error_code(error) not in _OVERTAKEN_CODES:
            raise
        raise Overtaken(f"another has written it: {error}") from error
