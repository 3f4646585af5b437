"""Deletes the work objects of an execution when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chalicelib.contract.errors import PERMANENT_ERRORS, ConfigurationError, KeyUnusable, StorageUnavailable
from chalicelib.contract.job import Job, work_folder
from chalicelib.storage import named_errors

# After these a person can fix the deployment or the key: rendered segments are kept until then.
_FIXABLE = (ConfigurationError, KeyUnusable)
_PERMANENT = frozenset(error.__name__ for error in PERMANENT_ERRORS if error not in _FIXABLE)


def delete_work_objects(job: Job, s3: Any, work_bucket: str) -> int:
    """Delete the objects of `job` in `work_bucket`; return their number.

    After a failure that is temporary or can be fixed they are kept: another execution reuses them.
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
