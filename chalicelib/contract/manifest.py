"""The manifest beside each output: what became of one upload, for people and for machines."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.contract.job import Failure, Job
from chalicelib.contract.objects import ObjectReference

MANIFEST_VERSION = 1


def success_manifest(job: Job, output: ObjectReference, report: dict[str, Any]) -> str:
    """Return the manifest of a blurred video; `report` holds what the renderer counted and timed."""
    return _manifest_text(job, {"status": "SUCCEEDED", "output": output.to_json(), **report})


def failure_manifest(job: Job, failure: Failure) -> str:
    """Return the manifest of an upload that has no output: the error's name and its cause in words."""
    return _manifest_text(
        job, {"status": "FAILED", "error": failure.error, "cause": readable_cause(failure.cause)}
    )


def readable_cause(cause: str) -> str:
    """Return the message in a Catch's cause: Lambda wraps it in JSON with a stack trace."""
    try:
        wrapped = json.loads(cause)
    except ValueError:
        return cause
    message = wrapped.get("errorMessage") if isinstance(wrapped, dict) else None
    return message if isinstance(message, str) else cause


def _manifest_text(job: Job, outcome: dict[str, Any]) -> str:
    document = {
        "version": MANIFEST_VERSION,
        "source": job.source.to_json(),
        "execution": job.execution.to_json() if job.execution else None,
        "detection_job": job.detection.job_id,
        **outcome,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
