"""The manifest beside each output: what became of one upload, for people and for machines."""

from __future__ import annotations

import json
import re
from typing import Any

from chalicelib.contract.job import Failure, Job
from chalicelib.contract.log import without_secrets
from chalicelib.contract.objects import ObjectReference

MANIFEST_VERSION = 1
# As JSON writes it.
_LONGEST_CAUSE_BYTES = 4000
_UNREADABLE = "The function's answer holds no message; its log says more."
# Whole escapes only, so that a message that was cut can still be read.
_MESSAGE = re.compile(r'"errorMessage"\s*:\s*"((?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)')
_WHOLE_ESCAPES = re.compile(r'(?:[^\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
# Not the end of an address such as s3://bucket/key: a path that begins a word.
_LOCAL_PATH = re.compile(r"(?<![^\s'\"(])/(?:tmp|var|opt|home|usr|root|private|Users)/[^\s'\"]*[^\s'\",.:;)]")


def success_manifest(job: Job, output: ObjectReference, report: dict[str, Any]) -> str:
    """Return the manifest of a blurred video; `report` holds what the renderer counted and timed."""
    return _manifest_text(job, {"status": "SUCCEEDED", "output": output.to_json(), **report})


def failure_manifest(job: Job, failure: Failure) -> str:
    """Return the manifest of an upload that has no output: the error's name and its cause in words."""
    return _manifest_text(
        job, {"status": "FAILED", "error": failure.error, "cause": readable_cause(failure.cause)}
    )


def readable_cause(cause: str) -> str:
    """Return the message in a Catch's cause: Lambda wraps it in JSON with a stack trace.

    Step Functions cuts long causes: what then is no JSON any more is searched for its message. Paths of the
    machine that failed say nothing to a reader: their last names stay; of web addresses no query stays.
    """
    message = _cut(without_secrets(_message(cause)))
    return _LOCAL_PATH.sub(lambda match: match.group().rpartition("/")[2], message)


def _cut(text: str) -> str:
    """Return what of `text` has room in a manifest, no character of it cut in two."""
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
    document = {
        "version": MANIFEST_VERSION,
        "source": job.source.to_json(),
        "execution": job.execution.to_json() if job.execution else None,
        "detection_job": job.detection.job_id,
        **outcome,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
