"""Delivery: how an output and a manifest in the output bucket tell which execution wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.fields import parse_object
from chalicelib.contract.job import Job

# How S3 says that an object is not there; without the right to list its bucket, that it may not be seen.
UNSEEN_CODES = frozenset({"404", "NoSuchKey", "403", "AccessDenied"})
_EXECUTION = "execution"


def output_metadata(job: Job) -> dict[str, str]:
    """Return what S3 notes beside the output: which version it was made of, and by which execution."""
    return {
        "source-version": job.source.version_id or job.source.etag,
        _EXECUTION: job.execution.id if job.execution else "",
    }


def is_own_output(metadata: Mapping[str, str], job: Job) -> bool:
    """Return whether an output with this metadata was delivered by the execution of `job`."""
    return job.execution is not None and dict(metadata) == output_metadata(job)


def own_manifest(text: str | bytes, job: Job) -> dict[str, Any]:
    """Return the manifest in `text`; an empty one unless the execution of `job` wrote it."""
    try:
        manifest = parse_object(text, "the manifest")
    except InvalidDocument:
        return {}
    is_own = job.execution is not None and manifest.get("execution") == job.execution.to_json()
    return manifest if is_own else {}
