"""The manifest beside the output, and the full report in the work bucket.

The manifest may be as public as the output, and says how the video was blurred. Only the report, below
`review/` in the work bucket, has the times and places of faces that may be missed, the account, and the
bucket of the upload.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from chalicelib.contract.job import Failure, Job, output_key
from chalicelib.contract.log import without_secrets

MANIFEST_VERSION = 2
# Counted in encoded JSON.
_LONGEST_CAUSE_BYTES = 4000
_UNREADABLE = "The function's answer holds no message; its log says more."
# The renderer's facts that could lead to faces: not in the manifest.
_PRIVATE = frozenset({"review_flags", "fullest_ms", "track_edges", "segments"})
# Whole escapes only, so that a message that was cut can still be decoded.
_MESSAGE = re.compile(r'"errorMessage"\s*:\s*"((?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)')
_WHOLE_ESCAPES = re.compile(r'(?:[^\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
# Not the end of an address such as s3://bucket/key: a path that begins a word.
_LOCAL_PATH = re.compile(r"(?<![^\s'\"(])/(?:tmp|var|opt|home|usr|root|private|Users)/[^\s'\"]*[^\s'\",.:;)]")

_BUCKET = re.compile(r"s3://[^/\s]*/")
_ARN = re.compile(r"\barn:[a-z-]+:[^\s,;'\"]*")


class ManifestStatus(Enum):
    """The status of a delivery in the manifest."""

    DELIVERING = "DELIVERING"  # Rendered and verified; the output is about to appear.
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


def delivery_manifest(job: Job, status: ManifestStatus, facts: Mapping[str, Any]) -> str:
    """Return the manifest of a blurred video; `facts` are the renderer's counts and times."""
    public = {name: fact for name, fact in facts.items() if name not in _PRIVATE}
    told = {
        "status": status.value,
        "output": {"key": output_key(job.source)},
        "detection": detection_note(job),
    }
    return _manifest_text(job, {**told, **public})


def confirmed_manifest(claim: Mapping[str, Any]) -> str:
    """Return the manifest of a claim whose output has appeared."""
    return _json_text({**claim, "status": ManifestStatus.SUCCEEDED.value})


def failure_manifest(job: Job, failure: Failure, earlier_version: str | None = None) -> str:
    """Return the manifest of an upload without an output, with the error's name and cause.

    `earlier_version` is the source version of an earlier upload's output that still exists.
    """
    earlier = {"output_of_version": earlier_version} if earlier_version else {}
    told = {"error": failure.error, "cause": _public_cause(readable_cause(failure.cause))}
    skipped = {"detection": detection_note(job)} if job.detection.skipped else {}
    return _manifest_text(job, {"status": ManifestStatus.FAILED.value, **told, **skipped, **earlier})


def detection_note(job: Job) -> dict[str, Any]:
    """Return which detectors the stage of `job` wants, and why Rekognition was left out, if it was."""
    skipped = job.detection.skipped
    if skipped is None:
        return {"mode": job.detection.mode.value}
    told = {"error": skipped.error, "cause": _public_cause(readable_cause(skipped.cause))}
    return {"mode": job.detection.mode.value, "rekognition_skipped": told}


def full_report(job: Job, outcome: Mapping[str, Any]) -> str:
    """Return the full report for reviewers: all of `outcome`, the source with its bucket, the execution."""
    document = {
        "version": MANIFEST_VERSION,
        "source": job.source.to_json(),
        "execution": job.execution.to_json() if job.execution else None,
        "detection_job": job.detection.job_id,
        **outcome,
    }
    return _json_text(document)


def failure_report(job: Job, failure: Failure) -> str:
    """Return the full report of an upload without an output."""
    told = {"error": failure.error, "cause": readable_cause(failure.cause)}
    return full_report(job, {"status": ManifestStatus.FAILED.value, **told})


def readable_cause(cause: str) -> str:
    """Return the message in a Catch's cause: Lambda wraps it in JSON with a stack trace.

    Step Functions cuts long causes: a cause that is no longer JSON is searched for its message. Local paths
    are cut to the file name, and URLs lose their query.
    """
    message = _cut(without_secrets(_message(cause)))
    return _LOCAL_PATH.sub(lambda match: match.group().rpartition("/")[2], message)


def _public_cause(cause: str) -> str:
    """Return a cause without buckets and ARNs; keys are kept."""
    return _ARN.sub("arn:...", _BUCKET.sub("", cause))


def _cut(text: str) -> str:
    """Return the start of `text` that fits into a manifest, cut between characters."""
    written = json.dumps(text, ensure_ascii=False)[1:-1].encode()
    kept = _WHOLE_ESCAPES.match(written[:_LONGEST_CAUSE_BYTES].decode(errors="ignore"))
    return str(json.loads(f'"{kept.group()}"')) if kept else ""


def _message(cause: str) -> str:
    if not cause.lstrip().startswith("{"):
        return cause
    try:
        wrapped = json.loads(cause)
    except (ValueError, RecursionError):
        found = _MESSAGE.search(cause)
        return json.loads(f'"{found.group(1)}"', strict=False) if found else _UNREADABLE
    message = wrapped.get("errorMessage")
    return message if isinstance(message, str) else _UNREADABLE


def _manifest_text(job: Job, outcome: dict[str, Any]) -> str:
    source = job.source.to_json()
    del source["bucket"]
    document = {
        "version": MANIFEST_VERSION,
        "source": source,
        "execution": execution_note(job),
        **outcome,
    }
    return _json_text(document)


def execution_note(job: Job) -> dict[str, str] | None:
    """Return the execution of `job` for the manifest, without account and state machine."""
    return {"name": job.execution.name, "started_at": job.execution.started_at} if job.execution else None


def _json_text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
