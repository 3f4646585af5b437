"""Work objects: what an execution wrote for itself, deleted when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.errors import PERMANENT_ERRORS, StorageUnavailable
from chalicelib.contract.job import Job, work_folder
from chalicelib.storage import storage_error

_PERMANENT = frozenset(error.__name__ for error in PERMANENT_ERRORS)


def delete_work_objects(job: Job, s3: Any, work_bucket: str) -> int:
    """Delete what `job` has in `work_bucket`; return how many objects went.

    After a failure that may pass they stay: another execution of the same upload goes on with them.
    """
    if job.failure is not None and job.failure.error not in _PERMANENT:
        return 0
    folder, count = work_folder(job.source), 0
    try:
        for key in _keys(s3, work_bucket, folder):
            s3.delete_object(Bucket=work_bucket, Key=key)
            count += 1
    except (ClientError, BotoCoreError) as error:
        raise storage_error(f"deleting s3://{work_bucket}/{folder}: {error}", error) from error
    return count


def _keys(s3: Any, bucket: str, folder: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder):
        keys = [entry["Key"] for entry in page.get("Contents") or []]
        if page.get("KeyCount") != len(keys):
            raise StorageUnavailable(
                f"s3://{bucket}/{folder}: {page.get('KeyCount')} keys, {len(keys)} listed"
            )
        yield from keys
