"""The Chalice app: its events and functions. Each unpacks its event, calls one function, returns JSON."""

import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from chalice.app import Chalice

from chalicelib.admission import start_detection
from chalicelib.clients import client
from chalicelib.contract.job import Job
from chalicelib.contract.log import EventLog
from chalicelib.executions import start_executions
from chalicelib.faces_store import store_faces
from chalicelib.failures import record_failure
from chalicelib.pace import LambdaContext, Pace
from chalicelib.rekognition import FaceDetectionJobs, check_detection
from chalicelib.settings import StartSettings, VideoLimits, required_setting, suffixes_setting
from chalicelib.uploads import AnyEvent, other_uploads
from chalicelib.work_objects import delete_work_objects

app = Chalice(app_name="face-blur")

# Chalice's commands in the repository's root get the stage's settings from its record: docs/adr/0027.
if "AWS_CHALICE_CLI_MODE" in os.environ and Path(__file__).with_name("deploy").is_dir():
    from deploy.chalice_commands import use_recorded_stage

    use_recorded_stage(Path(__file__).parent, sys.argv[1:])

# chalice reads these at import, when it deploys; inside a function they are never used.
_INPUT_BUCKET = os.environ.get("INPUT_BUCKET", "input-bucket-not-set")
_OTHER_SUFFIXES = suffixes_setting(os.environ)


@app.on_s3_event(bucket=_INPUT_BUCKET, events=["s3:ObjectCreated:*"], suffix=".mp4", name="face-detection")
def face_detection(event: AnyEvent) -> dict[str, Any]:
    """Start face detection and one execution of the state machine for every uploaded video."""
    return _start(event, "face-detection")


@app.on_cw_event(other_uploads(_INPUT_BUCKET, _OTHER_SUFFIXES), name="face-detection-other")
def face_detection_other(event: AnyEvent) -> dict[str, Any]:
    """Do the same as face-detection for all other suffixes and cases, which EventBridge tells."""
    return _start(event, "face-detection-other")


# chalice's own classes read fields at once, and crash on an event that came by another road.
face_detection.event_class = face_detection_other.event_class = AnyEvent


@app.lambda_function(name="start-face-detection")
def start_face_detection(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Start the Rekognition job that face-detection could not start at once."""
    job = Job.from_json(event)
    log = _log("start-face-detection", job, context)
    with log.handling():
        limits = VideoLimits.from_env(os.environ)
        now = datetime.now(timezone.utc)
        return start_detection(job, _rekognition(), client("s3"), limits, now, log).to_json()


@app.lambda_function(name="check-rekognition-job-status")
def check_rekognition_job_status(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Read the status of the Rekognition job once; return how long to wait before the next time."""
    job = Job.from_json(event)
    with _log("check-rekognition-job-status", job, context).handling() as facts:
        checked = check_detection(job, _rekognition(), datetime.now(timezone.utc))
        facts.update(checked.detection.to_json())
        return checked.to_json()


@app.lambda_function(name="get-rekognized-faces")
def get_rekognized_faces(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write all detections of the Rekognition job to the work bucket, as the faces document.

    Where the account's quota leaves too little time, return the job with the pages read so far.
    """
    job = Job.from_json(event)
    with _log("get-rekognized-faces", job, context).handling():
        bucket = required_setting(os.environ, "WORK_BUCKET")
        pace, now = Pace.of_invocation(context), datetime.now(timezone.utc)
        return store_faces(job, _rekognition(), client("s3"), bucket, pace, now).to_json()


@app.lambda_function(name="record-failure")
def record_execution_failure(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Write the failure manifest to the output bucket, in place of the output."""
    job = Job.from_json(event)
    with _log("record-failure", job, context).handling():
        output_bucket = required_setting(os.environ, "OUTPUT_BUCKET")
        work_bucket = required_setting(os.environ, "WORK_BUCKET")
        return record_failure(job, client("s3"), output_bucket, work_bucket).to_json()


@app.lambda_function(name="delete-work-objects")
def delete_execution_work(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Delete the work objects of the execution, unless another execution may reuse them."""
    job = Job.from_json(event)
    with _log("delete-work-objects", job, context).handling() as facts:
        bucket = required_setting(os.environ, "WORK_BUCKET")
        facts["deleted"] = delete_work_objects(job, client("s3"), bucket)
        return event


def _start(event: AnyEvent, function: str) -> dict[str, Any]:
    log = EventLog.of_invocation(function, event.context)
    with log.handling() as facts:
        settings = StartSettings.from_env(os.environ)
        outcome = start_executions(
            event.event, settings, _rekognition(), client("stepfunctions"), client("s3"), log
        )
        facts.update(outcome)
        return outcome


def _rekognition() -> FaceDetectionJobs:
    return FaceDetectionJobs(client("rekognition"))


def _log(function: str, job: Job, context: object) -> EventLog:
    execution = job.execution.id if job.execution else None
    return EventLog.of_invocation(function, context, source=job.source.uri, execution=execution)
