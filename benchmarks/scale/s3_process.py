"""Run the local cloud's S3 in a process that prints its environment and ends with its standard input."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil

from chalicelib.contract.objects import ObjectReference, SourceObject

BUCKETS = ("input", "work", "output")


@dataclass(frozen=True)
class S3Process:
    """A running S3: a client, the environment variables for functions that use it, and its process."""

    client: Any
    environment: dict[str, str]
    process: psutil.Process

    def cpu_s(self) -> float:
        """Return the CPU seconds that the S3 process has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def put(self, path: Path, key: str) -> SourceObject:
        """Upload a video; return it as a job refers to it."""
        self.client.upload_file(str(path), BUCKETS[0], key)
        etag = self.client.head_object(Bucket=BUCKETS[0], Key=key)["ETag"].strip('"')
        return SourceObject(BUCKETS[0], key, None, etag, "0", path.stat().st_size)

    def write(self, text: str, key: str) -> ObjectReference:
        """Write a document to the work bucket."""
        self.client.put_object(Bucket=BUCKETS[1], Key=key, Body=text.encode())
        return ObjectReference(BUCKETS[1], key)

    def fetch(self, reference: ObjectReference, target: Path) -> None:
        """Download an object."""
        self.client.download_file(reference.bucket, reference.key, str(target))


@contextmanager
def storage() -> Iterator[S3Process]:
    """Yield an S3 with three empty buckets; stop it at the end of the context."""
    command = [sys.executable, "-m", "benchmarks.scale.s3_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 asked for above
        environment: dict[str, str] = json.loads(process.stdout.readline())
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name=environment["AWS_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )
        try:
            for bucket in BUCKETS:
                client.create_bucket(Bucket=bucket)
            yield S3Process(client, environment, psutil.Process(process.pid))
        finally:
            client.close()
            process.communicate()


def main() -> None:
    """Run the local cloud until the standard input ends."""
    from local_cloud.cloud import LocalCloud  # noqa: PLC0415 heavy, and needed in the child process only

    with LocalCloud() as cloud:
        print(json.dumps(cloud.environment), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
