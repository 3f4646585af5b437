"""The Rekognition Video substitute: a WSGI application with the service's protocol and real detection."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from werkzeug.wrappers import Request, Response

from blur_container.analysis.face_detector import Detector, make_detector
from local_cloud.rekognition_service.jobs import (
    Analysis,
    FaceJobs,
    Job,
    JobFailed,
    Stopped,
    StoredVideo,
    TooManyJobs,
)
from local_cloud.rekognition_service.quota import CallQuota
from local_cloud.rekognition_service.wire import (
    GetRequest,
    Refused,
    StartRequest,
    face_to_json,
    metadata_to_json,
    page_offset,
    page_token,
    parse_body,
    parse_get,
    parse_start,
    video_to_json,
)
from local_cloud.settings import RekognitionSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["RekognitionSettings", "RekognitionVideo"]

TARGET_PREFIX = "RekognitionService."
_CONTENT_TYPE = "application/x-amz-json-1.1"


class RekognitionVideo:
    """Answers StartFaceDetection and GetFaceDetection; `close` ends its jobs.

    `make_s3` is called once, at the first request that needs S3; `close` also closes that client.
    """

    def __init__(
        self,
        make_s3: Callable[[], Any],
        settings: RekognitionSettings,
        make_detector: Callable[[], Detector] = make_detector,
    ) -> None:
        self._make_s3 = make_s3
        self._s3: Any = None
        self._settings = settings
        self._jobs = FaceJobs(self._shared_s3, make_detector, settings)
        self._started: dict[str, tuple[StartRequest, Job]] = {}
        self._quota = CallQuota(settings.calls_per_s)
        self._lock = threading.RLock()
        self._is_closed = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        operation = request.headers.get("X-Amz-Target", "").removeprefix(TARGET_PREFIX)
        named: dict[str, str] = {}
        try:
            answer, status = self._answer(operation, parse_body(request.get_data())), 200
        except Refused as error:
            answer, status = {"__type": error.code, "Code": error.code, "Message": str(error)}, error.status
            named = {"x-amzn-ErrorType": error.code}
        response = Response(json.dumps(answer), status, named, content_type=_CONTENT_TYPE)
        return response(environ, start_response)

    def close(self) -> None:
        """End every job, running ones too, and close the S3 client."""
        self._jobs.close()
        with self._lock:
            self._is_closed = True
            if self._s3 is not None:
                self._s3.close()
                self._s3 = None

    def _answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation == "StartFaceDetection":
            return self._start(parse_start(request))
        if operation == "GetFaceDetection":
            return self._get(parse_get(request))
        raise Refused(
            "UnknownOperationException", f"the local cloud does not implement {operation or 'such operation'}"
        )

    def _start(self, request: StartRequest) -> dict[str, Any]:
        with self._lock:
            if request.token in self._started:
                first, job = self._started[request.token]
                if request != first:
                    raise Refused(
                        "IdempotentParameterMismatchException",
                        "A ClientRequestToken was reused with other parameters",
                    )
                return {"JobId": job.job_id}
            try:
                job = self._jobs.start(self._pinned(request.video), request.tag)
            except Stopped as error:
                raise _closing() from error
            except TooManyJobs as error:
                raise Refused("LimitExceededException", f"Limit exceeded: {error}") from error
            if request.token is not None:
                self._started[request.token] = (request, job)
        return {"JobId": job.job_id}

    def _pinned(self, video: StoredVideo) -> StoredVideo:
        """Return the video with its current version; refuse one that does not exist or is too large."""
        version = {"VersionId": video.version} if video.version else {}
        try:
            head = self._shared_s3().head_object(Bucket=video.bucket, Key=video.key, **version)
        except (ClientError, BotoCoreError) as error:
            raise Refused(
                "InvalidS3ObjectException",
                "Unable to get object metadata from S3. Check object key, region and/or access permissions.",
            ) from error
        if head["ContentLength"] > self._settings.largest_bytes:
            raise Refused("VideoTooLargeException", f"The video has {head['ContentLength']} bytes")
        return dataclasses.replace(video, version=head.get("VersionId", video.version))

    def _get(self, request: GetRequest) -> dict[str, Any]:
        if not self._quota.admits():
            raise Refused(
                "ProvisionedThroughputExceededException",
                f"over {self._settings.calls_per_s:g} calls of GetFaceDetection a second",
            )
        job = self._jobs.find(request.job_id)
        if job is None:
            raise Refused("ResourceNotFoundException", f"Could not find JobId {request.job_id}")
        known = {"JobId": job.job_id, "Video": video_to_json(job.video)}
        if job.tag is not None:
            known["JobTag"] = job.tag
        if job.in_progress:
            return known | {"JobStatus": "IN_PROGRESS"}
        try:
            return known | _page(job.outcome.result(), request, self._settings.page_size)
        except JobFailed as error:
            return known | {"JobStatus": "FAILED", "StatusMessage": str(error)}
        except (Stopped, CancelledError) as error:
            raise _closing() from error

    def _shared_s3(self) -> Any:
        with self._lock:
            if self._is_closed:
                raise Stopped
            if self._s3 is None:
                self._s3 = self._make_s3()
            return self._s3


def _closing() -> Refused:
    return Refused("InternalServerError", "the local cloud is closing", 500)


def _page(analysis: Analysis, request: GetRequest, page_size: int) -> dict[str, Any]:
    begin = page_offset(request.page_token, request.job_id, len(analysis.faces))
    end = begin + min(request.page_size, page_size)
    page: dict[str, Any] = {
        "JobStatus": "SUCCEEDED",
        "VideoMetadata": metadata_to_json(analysis.video),
        "Faces": [face_to_json(timed) for timed in analysis.faces[begin:end]],
    }
    if end < len(analysis.faces):
        page["NextToken"] = page_token(request.job_id, end)
    return page
