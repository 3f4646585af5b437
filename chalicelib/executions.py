"""Starts executions of the state machine from S3 events: exactly one per upload, even if delivered twice."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from chalicelib.admission import require_room, start_detection
from chalicelib.contract.errors import ConfigurationError, InvalidDocument, PermanentError, TransientError
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Failure, Job, execution_name
from chalicelib.contract.log import EventLog
from chalicelib.contract.objects import SourceObject
from chalicelib.contract.suffixes import MP4
from chalicelib.rekognition import FaceDetectionJobs
from chalicelib.settings import StartSettings
from chalicelib.sources import pinned
from chalicelib.uploads import Ignored, read_record, read_records, refusal, uploaded_at


def start_executions(
    event: Any,
    settings: StartSettings,
    rekognition: FaceDetectionJobs,
    stepfunctions: Any,
    s3: Any,
    log: EventLog,
) -> dict[str, Any]:
    """Start detection and an execution for each upload in `event`; return the executions' names.

    All records are processed before the first error is raised. Lambda then delivers the event again, and
    executions that were already started are found by their names. An event that fails in every try, also
    because of an unreadable record, goes to the dead-letter queue.
    """
    records = read_records(event)
    if not records:
        log.info("ignored", reason="no records: s3:TestEvent")
    started: list[str] = []
    errors: list[Exception] = []
    for record in records:
        try:
            started += _start_record(record, settings, rekognition, stepfunctions, s3, log)
        except InvalidDocument as error:
            log.error("record unreadable", cause=str(error))
            errors.append(error)
        except Exception as error:  # noqa: BLE001 raised below, after the other records
            errors.append(error)
    if errors:
        raise errors[0]
    return {"records": len(records), "executions": started}


def _start_record(
    record: Any,
    settings: StartSettings,
    rekognition: FaceDetectionJobs,
    stepfunctions: Any,
    s3: Any,
    log: EventLog,
) -> list[str]:
    source = read_record(record, (MP4, *settings.suffixes))
    if isinstance(source, Ignored):
        log.info("ignored", reason=source.reason, key=source.key)
        return []
    if source.bucket == settings.output_bucket:
        raise ConfigurationError(
            f"{source.uri} is in OUTPUT_BUCKET: blurring outputs again is an endless paid loop."
            " Remove the event notification from that bucket."
        )
    try:
        source = pinned(source, s3)
        refused = refusal(source)
        if refused:
            raise refused
        if settings.upload_limit:
            require_room(settings.upload_limit, source, uploaded_at(record), s3)
    except PermanentError as error:
        if isinstance(error, (ConfigurationError, InvalidDocument)):
            raise
        job = _refused(source, error, settings)
    else:
        job = _detect(source, settings, rekognition, s3, log)
    name = execution_name(source)
    # An execution of this name was started by an earlier delivery of the event.
    with suppress(stepfunctions.exceptions.ExecutionAlreadyExists):
        stepfunctions.start_execution(
            stateMachineArn=settings.state_machine_arn, name=name, input=json.dumps(job.to_json())
        )
    log.info("execution started", execution=name, source=source.uri, **job.detection.to_json())
    return [name]


def _detect(
    source: SourceObject, settings: StartSettings, rekognition: FaceDetectionJobs, s3: Any, log: EventLog
) -> Job:
    """Return the job with its detection started, left to the state machine, or refused."""
    job = Job(source, DetectionProgress(DetectionStatus.NOT_STARTED, mode=settings.detection))
    try:
        return start_detection(job, rekognition, s3, settings.limits, datetime.now(timezone.utc), log)
    except TransientError:
        return job  # The state machine can wait for a day; a function cannot.
    except ConfigurationError:
        raise
    except PermanentError as error:
        return _refused(source, error, settings)


def _refused(source: SourceObject, error: PermanentError, settings: StartSettings) -> Job:
    return Job(
        source=source,
        detection=DetectionProgress(DetectionStatus.REFUSED, mode=settings.detection),
        failure=Failure.of(error),
    )
