"""Upload hundreds of clips at once to an account with low quotas for functions and Rekognition jobs.

`python -m benchmarks.storm [--uploads 500] [--jobs 20] [--lambdas 10] [--pages 0] [--calls 5]`. Every
event is delivered twice. The exit code is 1 if an upload was lost, processed twice, or has neither an output
nor a failure manifest.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.overhead import detection_s
from benchmarks.storm.clip import FRAME_MS, make_crowd_clip, make_storm_clip
from benchmarks.storm.endings import read_endings, read_executions
from benchmarks.storm.result import Plan, Result
from benchmarks.storm.tables import tables
from benchmarks.storm.traffic import calls_by_action, function_times
from benchmarks.storm.watch import Machine, wait_until_over
from chalicelib.contract.objects import SourceObject
from local_cloud.cloud import LocalCloud
from local_cloud.settings import CloudSettings, RekognitionSettings

PROJECT = Path(__file__).resolve().parent.parent.parent
_DELIVERIES = 2
_SENDERS = 50


def main() -> int:
    """Run the storm in a local cloud, print its tables, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=20, help="concurrent Rekognition jobs")
    parser.add_argument(
        "--lambdas", type=int, default=10, help="concurrent invocations of all functions together"
    )
    parser.add_argument(
        "--pages", type=int, default=0, help="pages of faces of each upload, one face on each; 0: one page"
    )
    parser.add_argument(
        "--calls", type=float, default=RekognitionSettings.calls_per_s, help="GetFaceDetection a second"
    )
    result = storm(Plan(**vars(parser.parse_args())))
    print(tables(result))
    return 1 if result.violations else 0


def storm(plan: Plan, prepare: Callable[[LocalCloud], None] = lambda _cloud: None) -> Result:
    """Return the results of `plan.uploads` uploads at once; call `prepare` with the deployed cloud first."""
    with tempfile.TemporaryDirectory() as folder, LocalCloud(_settings(plan)) as cloud:
        path = Path(folder, "clip.mp4")
        clip = make_crowd_clip(path, plan.pages) if plan.pages else make_storm_clip(path)
        cloud.deploy(PROJECT)
        prepare(cloud)
        alone_s = min(detection_s(clip) for _ in range(3))
        machine = Machine()
        machine.measure()
        begin, cpu_before_s = datetime.now(timezone.utc), machine.cloud_cpu_s
        uploads = _upload(cloud, clip.read_bytes(), plan.uploads)
        wait_until_over(cloud, plan.uploads * _DELIVERIES, plan.uploads, machine)
        machine.cloud_cpu_s -= cpu_before_s
        return Result(
            plan=plan,
            endings=read_endings(cloud, uploads),
            ended_after_s=_ended_after_s(cloud, begin),
            lost_events=len(cloud.lost_events),
            calls=calls_by_action(cloud.answers()),
            functions=function_times(cloud),
            detection_s=alone_s,
            machine=machine,
        )


def _ended_after_s(cloud: LocalCloud, begin: datetime) -> list[float]:
    ended = [execution.ended for execution in read_executions(cloud) if execution.ended]
    return sorted((moment - begin).total_seconds() for moment in ended)


def _settings(plan: Plan) -> CloudSettings:
    """Return settings in which only the account's concurrency limits functions."""
    return CloudSettings(
        detection="rekognition",
        event_deliveries=_DELIVERIES,
        zip_concurrency=plan.lambdas,
        image_concurrency=plan.lambdas,
        account_concurrency=plan.lambdas,
        rekognition=_rekognition(plan),
    )


def _rekognition(plan: Plan) -> RekognitionSettings:
    settings = RekognitionSettings(open_jobs=plan.jobs, calls_per_s=plan.calls)
    # One frame in each sample, one face on each page.
    return replace(settings, sampling_ms=FRAME_MS, page_size=1) if plan.pages else settings


def _upload(cloud: LocalCloud, body: bytes, count: int) -> list[SourceObject]:
    s3, bucket = cloud.client("s3"), cloud.buckets.input

    def put(number: int) -> SourceObject:
        key = f"storm/{number:04}.mp4"
        answer = s3.put_object(Bucket=bucket, Key=key, Body=body)
        return SourceObject(bucket, key, answer["VersionId"], answer["ETag"].strip('"'), "", len(body))

    with ThreadPoolExecutor(_SENDERS) as threads:
        return list(threads.map(put, range(count)))


if __name__ == "__main__":
    sys.exit(main())
