"""The job: the payload of the state machine, and all S3 keys.

The payload is limited to 256 KiB, so a job contains references, never faces. Its fields are set
by these states:

    face-detection                     source, detection
    (the machine's first state)        execution
    check-rekognition-job-status       detection
    get-rekognized-faces               pages as long as some are left, then faces
    plan-segments                      segments, unless there is only one
    blur-faces, or assemble-video      output, manifest
    (a Catch of the machine)           failure

Where the container alone detects faces, `detection` has the status CONTAINER_ONLY and there is no `faces`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import PurePosixPath
from typing import Any

from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.fields import (
    count_field,
    list_field,
    optional_text_field,
    require_object,
    require_version,
    shown,
    text_field,
)
from chalicelib.contract.objects import ObjectReference, SourceObject
from chalicelib.contract.segments import SegmentKeys, Segments
from chalicelib.contract.suffixes import MP4, mp4_key

JOB_VERSION = 1
MAX_SOURCE_BYTES = 10 * 1000**3  # Rekognition Video quota: 10 GB a file.
WORK_PREFIX = "executions/"  # The work bucket's lifecycle rule and the functions' policies name it.
_KEY_LIMIT_BYTES = 1024  # S3 quota.
REVIEW_PREFIX = "review/"  # Full reports: a lifecycle rule and a policy of their own.
_MANIFEST_SUFFIX = ".manifest.json"


@dataclass(frozen=True)
class Execution:
    """The run of the state machine: its ARN, and when it started (ISO 8601)."""

    id: str
    started_at: str

    @property
    def name(self) -> str:
        """Return the execution's name: what follows account and state machine in its ARN."""
        return self.id.rpartition(":")[2]

    def to_json(self) -> dict[str, Any]:
        """Return the execution as a JSON object."""
        return {"id": self.id, "started_at": self.started_at}

    @classmethod
    def from_json(cls, value: Any) -> Execution:
        """Return the execution in `value`; raise InvalidDocument where it breaks the contract."""
        fields = require_object(value, "execution")
        return cls(id=text_field(fields, "id"), started_at=text_field(fields, "started_at"))


class DetectionMode(str, Enum):
    """The detectors of a stage (DETECTION): Rekognition and the container's own, or one of them."""

    BOTH = "both"
    REKOGNITION = "rekognition"
    CONTAINER = "container"


class DetectionStatus(Enum):
    """The status of face detection; the state machine's Choice states match these values."""

    NOT_STARTED = "NOT_STARTED"  # Rekognition was at its limit: the state machine starts the job.
    AGAIN = "AGAIN"  # A redrive: the job of an earlier execution goes on being used, unless it is lost.
    REFUSED = "REFUSED"  # The object can never be analysed: the state machine records `failure` and ends.
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    CONTAINER_ONLY = "CONTAINER_ONLY"  # Rekognition is not wanted, or cannot analyse the video.


@dataclass(frozen=True)
class Failure:
    """The cause of an execution's failure, in the format of a Step Functions Catch."""

    error: str
    cause: str

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Return the failure that `error` names."""
        return cls(type(error).__name__, str(error))

    def to_json(self) -> dict[str, Any]:
        """Return the failure in the format of a Catch."""
        return {"Error": self.error, "Cause": self.cause}

    @classmethod
    def from_json(cls, value: Any) -> Failure:
        """Return the failure in `value`; a missing or unreadable cause becomes an empty text."""
        fields = require_object(value, "failure")
        cause = fields.get("Cause")
        # A lone surrogate cannot be encoded as UTF-8.
        text = cause.encode("utf-8", "replace").decode() if isinstance(cause, str) else ""
        return cls(error=text_field(fields, "Error"), cause=text)


@dataclass(frozen=True)
class DetectionProgress:
    """The Rekognition job: its id once started, the next wait and the sum of all waits in seconds.

    `token_number` counts the request tokens of the upload, one for each of its jobs that was lost. `skipped`
    is the reason why the video is rendered without Rekognition, although the mode wants it.
    """

    status: DetectionStatus
    job_id: str | None = None
    wait_s: int = 1
    waited_s: int = 0
    token_number: int = 0
    mode: DetectionMode = DetectionMode.REKOGNITION
    skipped: Failure | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the progress as a JSON object; the first token's number is omitted."""
        return {
            "status": self.status.value,
            "job_id": self.job_id,
            "wait_s": self.wait_s,
            "waited_s": self.waited_s,
            "mode": self.mode.value,
            **({"token_number": self.token_number} if self.token_number else {}),
            **({"skipped": self.skipped.to_json()} if self.skipped else {}),
        }

    def by_container_only(self, reason: Exception | None = None) -> DetectionProgress:
        """Return the progress without Rekognition, for the `reason`."""
        return DetectionProgress(
            DetectionStatus.CONTAINER_ONLY,
            wait_s=0,
            waited_s=self.waited_s,
            token_number=self.token_number,
            mode=self.mode,
            skipped=Failure.of(reason) if reason else None,
        )

    @classmethod
    def from_json(cls, value: Any) -> DetectionProgress:
        """Return the progress in `value`; raise InvalidDocument where it breaks the contract."""
        fields = require_object(value, "detection")
        try:
            status = DetectionStatus(text_field(fields, "status"))
            # Executions that an older version started have none.
            mode = DetectionMode(optional_text_field(fields, "mode") or DetectionMode.REKOGNITION)
        except ValueError as error:
            raise InvalidDocument(f"detection has an unknown status or mode: {error}") from error
        return cls(
            status=status,
            job_id=optional_text_field(fields, "job_id"),
            wait_s=count_field(fields, "wait_s"),
            waited_s=count_field(fields, "waited_s"),
            token_number=count_field(fields, "token_number") if "token_number" in fields else 0,
            mode=mode,
            skipped=Failure.from_json(fields["skipped"]) if fields.get("skipped") else None,
        )


@dataclass(frozen=True)
class PagesRead:
    """The first `count` pages of a Rekognition job, read by earlier invocations, and the next page's token.

    `parts` name their faces in the work bucket, in order; `hand_overs` counts the invocations.
    """

    count: int
    parts: tuple[str, ...]
    next_token: str
    hand_overs: int

    def to_json(self) -> dict[str, Any]:
        """Return the pages as a JSON object."""
        return {
            "count": self.count,
            "parts": list(self.parts),
            "next_token": self.next_token,
            "hand_overs": self.hand_overs,
        }

    @classmethod
    def from_json(cls, value: Any) -> PagesRead:
        """Return the pages in `value`; raise InvalidDocument where it breaks the contract."""
        fields = require_object(value, "pages")
        parts = list_field(fields, "parts")
        if not all(isinstance(part, str) for part in parts):
            raise InvalidDocument(f"the parts of pages must be names, not {shown(parts)}")
        return cls(
            count=count_field(fields, "count"),
            parts=tuple(parts),
            next_token=text_field(fields, "next_token"),
            hand_overs=count_field(fields, "hand_overs"),
        )


@dataclass(frozen=True)
class Job:
    """The state-machine payload."""

    source: SourceObject
    detection: DetectionProgress
    execution: Execution | None = None
    faces: ObjectReference | None = None
    segments: Segments | None = None
    output: ObjectReference | None = None
    manifest: ObjectReference | None = None
    failure: Failure | None = None
    pages: PagesRead | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the job as a JSON object; unknown fields are omitted."""
        grown = {
            "execution": self.execution,
            "faces": self.faces,
            "segments": self.segments,
            "output": self.output,
            "manifest": self.manifest,
            "failure": self.failure,
            "pages": self.pages,
        }
        return {
            "version": JOB_VERSION,
            "source": self.source.to_json(),
            "detection": self.detection.to_json(),
            **{name: part.to_json() for name, part in grown.items() if part is not None},
        }

    @classmethod
    def from_json(cls, value: Any) -> Job:
        """Return the job in `value`; raise InvalidDocument where it breaks the contract."""
        fields = require_object(value, "the payload")
        require_version(fields, JOB_VERSION, "the payload")
        return cls(
            source=SourceObject.from_json(fields.get("source")),
            detection=DetectionProgress.from_json(fields.get("detection")),
            execution=Execution.from_json(fields["execution"]) if fields.get("execution") else None,
            faces=_optional_reference(fields, "faces"),
            segments=Segments.from_json(fields["segments"]) if fields.get("segments") else None,
            output=_optional_reference(fields, "output"),
            manifest=_optional_reference(fields, "manifest"),
            failure=Failure.from_json(fields["failure"]) if fields.get("failure") else None,
            pages=PagesRead.from_json(fields["pages"]) if fields.get("pages") else None,
        )

    def with_detection(self, detection: DetectionProgress) -> Job:
        """Return the job with another detection progress."""
        return replace(self, detection=detection)


def execution_name(source: SourceObject) -> str:
    """Return the name of the one execution for `source`: at most 80 of [A-Za-z0-9_-], readable first."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", PurePosixPath(source.key).stem).strip("-")[:40]
    return f"{stem or 'video'}-{source.identity[:32]}"


def client_request_token(source: SourceObject, number: int = 0) -> str:
    """Return Rekognition's idempotency token for `source`: at most 64 of [A-Za-z0-9_-].

    Each `number` is another token, and so another job.
    """
    return hashlib.sha256(f"{source.identity} {number}".encode()).hexdigest() if number else source.identity


def work_folder(source: SourceObject) -> str:
    """Return the key prefix of all work objects of `source`."""
    return f"{WORK_PREFIX}{execution_name(source)}/"


def faces_key(source: SourceObject) -> str:
    """Return the key of the faces document in the work bucket."""
    return f"{work_folder(source)}faces.json"


def pages_key(source: SourceObject, part: str) -> str:
    """Return the key of a part of the pages in the work bucket."""
    return f"{work_folder(source)}pages/{part}.json"


def segment_keys(source: SourceObject, plan_name: str) -> SegmentKeys:
    """Return the keys of the segments of `source` by the plan of that name."""
    return SegmentKeys(f"{work_folder(source)}{plan_name}/")


def output_key(source: SourceObject) -> str:
    """Return the key of the blurred video in the output bucket, after the execution's name if too long."""
    key = mp4_key(source.key)
    return key if len(key.encode()) <= _KEY_LIMIT_BYTES else f"{execution_name(source)}{MP4}"


def manifest_key(source: SourceObject) -> str:
    """Return the key of the manifest: the output's key with a suffix, or the execution's name if too long."""
    beside = output_key(source) + _MANIFEST_SUFFIX
    if len(beside.encode()) <= _KEY_LIMIT_BYTES:
        return beside
    return f"{execution_name(source)}{_MANIFEST_SUFFIX}"


def report_key(job: Job) -> str:
    """Return the key of the full report in the work bucket; every execution has its own."""
    return f"{REVIEW_PREFIX}{job.execution.name if job.execution else execution_name(job.source)}.json"


def _optional_reference(fields: dict[str, Any], name: str) -> ObjectReference | None:
    return ObjectReference.from_json(fields[name]) if fields.get(name) else None
