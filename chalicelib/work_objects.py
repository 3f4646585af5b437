"""Work objects: what an execution wrote for itself, deleted when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chalicelib.contract.errors import PERMANENT_ERRORS, ConfigurationError, KeyUnusable, StorageUnavailable
from chalicelib.contract.job import Job, work_folder
from chalicelib.storage import named_errors

# A deployment or a key can be mended; what was rendered is worth keeping until then.
_MENDABLE = (ConfigurationError, KeyUnusable)
_PERMANENT = frozenset(error.__name__ for error in PERMANENT_ERRORS if error not in _MENDABLE)


def delete_work_objects(job: Job, s3: Any, work_bucket: str) -> int:
    """Delete what `job` has in `work_bucket`; return how many objects went.

    After a failure that may pass or be mended they stay: another execution of the same upload reuses them.
    """
    if job.failure is not None and job.failure.error not in _PERMANENT:
        return 0
    folder, count = work_folder(job.source), 0
    with named_errors(f"deleting s3://{work_bucket}/{folder}"):
        for key in _keys(s3, work_bucket, folder):
            s3.delete_object(Bucket=work_bucket, Key=key)
            count += 1
    return count


def _keys(s3: Any, bucket: str, folder: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder):
        keys = [entry["Key"] for entry in page.get("Contents") or []]
        if page.get("KeyCount") != len(keys):
            raise StorageUnavailable(
                f"s3://{bucket}/{folder}: {page.get('KeyCount')} keys, {len(keys)} listed"
            )
        yield from keys
