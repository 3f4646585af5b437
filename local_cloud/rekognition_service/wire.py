"""JSON of StartFaceDetection and GetFaceDetection: checks requests, builds answers."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from blur_container.analysis.face_detector import LANDMARK_KINDS
from local_cloud.rekognition_service.jobs import StoredVideo, TimedFace
from local_cloud.rekognition_service.sampling import VideoMetadata

_TOKEN = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_JOB_TAG = re.compile(r"[a-zA-Z0-9_.\-:+=/]{1,1024}")
_BUCKET = re.compile(r"[0-9A-Za-z.\-_]{3,255}")
_KEY = re.compile(r".{1,1024}", re.DOTALL)
_PAGE_MAX = 1000
# The service reports this for MP4 and MOV alike.
_FORMAT = "QuickTime / MOV"


class Refused(Exception):
    """The request is answered by an error; `code` is the name of Rekognition's exception."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True)
class StartRequest:
    """A checked StartFaceDetection request."""

    video: StoredVideo
    token: str | None
    tag: str | None


@dataclass(frozen=True)
class GetRequest:
    """A checked GetFaceDetection request."""

    job_id: str
    page_size: int
    page_token: str | None


def parse_body(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a request's body; raise Refused."""
    try:
        request = json.loads(body or b"{}")
    except ValueError as error:
        raise Refused("SerializationException", "the body is not JSON") from error
    if not isinstance(request, dict):
        raise Refused("SerializationException", "the body is not a JSON object")
    return request


def parse_start(request: dict[str, Any]) -> StartRequest:
    """Return the checked request; raise Refused where it is invalid, or asks for a feature missing here."""
    if request.get("FaceAttributes", "DEFAULT") != "DEFAULT":
        raise _invalid("the local cloud implements FaceAttributes=DEFAULT only")
    if "NotificationChannel" in request:
        raise _invalid("the local cloud has no NotificationChannel: poll GetFaceDetection")
    place = _mapping(_mapping(request, "Video"), "S3Object")
    bucket, key = _text(place, "Bucket", _BUCKET), _text(place, "Name", _KEY)
    if bucket is None or key is None:
        raise _invalid("Video.S3Object needs Bucket and Name")
    return StartRequest(
        video=StoredVideo(bucket, key, _text(place, "Version", _KEY)),
        token=_text(request, "ClientRequestToken", _TOKEN),
        tag=_text(request, "JobTag", _JOB_TAG),
    )


def parse_get(request: dict[str, Any]) -> GetRequest:
    """Return the checked request; raise Refused where it is invalid."""
    job_id = _text(request, "JobId", _TOKEN)
    page_size = request.get("MaxResults", _PAGE_MAX)
    if job_id is None:
        raise _invalid("JobId is missing")
    if not isinstance(page_size, int) or isinstance(page_size, bool) or page_size < 1:
        raise _invalid(f"MaxResults must be a whole number from 1: {page_size!r}")
    page_token = request.get("NextToken")
    if page_token is not None and not isinstance(page_token, str):
        raise _invalid("NextToken is not text")
    return GetRequest(job_id, min(page_size, _PAGE_MAX), page_token or None)


def page_token(job_id: str, offset: int) -> str:
    """Return the token of the page that starts at `offset`; it is valid for this job only."""
    return base64.urlsafe_b64encode(f"{job_id} {offset}".encode()).decode()


def page_offset(token: str | None, job_id: str, count: int) -> int:
    """Return the page's first index among `count` faces; raise Refused for a token of another job."""
    if token is None:
        return 0
    try:
        owner, number = base64.urlsafe_b64decode(token).decode().split(" ")
        offset = int(number)
    except (ValueError, binascii.Error) as error:
        raise Refused("InvalidPaginationTokenException", "NextToken is not valid") from error
    if owner != job_id or not 0 < offset < count:
        raise Refused("InvalidPaginationTokenException", "NextToken is not of this job")
    return offset


def metadata_to_json(video: VideoMetadata) -> dict[str, Any]:
    """Return VideoMetadata in the format of GetFaceDetection."""
    return {
        "Codec": video.codec,
        "DurationMillis": video.duration_ms,
        "Format": _FORMAT,
        "FrameRate": video.frame_rate,
        "FrameHeight": video.height,
        "FrameWidth": video.width,
        "ColorRange": "FULL" if video.full_range else "LIMITED",
    }


def face_to_json(timed: TimedFace) -> dict[str, Any]:
    """Return one element of Faces, without Pose and Quality, which the detector does not measure."""
    face = timed.face
    marks = zip(LANDMARK_KINDS, face.landmarks, strict=True)
    return {
        "Timestamp": timed.time_ms,
        "Face": {
            "BoundingBox": {
                "Left": face.box.left,
                "Top": face.box.top,
                "Width": face.box.width,
                "Height": face.box.height,
            },
            "Confidence": face.confidence,
            "Landmarks": [{"Type": kind, "X": point.x, "Y": point.y} for kind, point in marks],
        },
    }


def video_to_json(video: StoredVideo) -> dict[str, Any]:
    """Return Video in the format of both operations."""
    place = {"Bucket": video.bucket, "Name": video.key}
    return {"S3Object": place | ({"Version": video.version} if video.version else {})}


def _mapping(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise _invalid(f"{name} is missing")
    return value


def _text(fields: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str | None:
    """Return the text `name`, None where it is absent; raise Refused where it does not match `pattern`."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _invalid(f"{name} must match {pattern.pattern}: {value!r}")
    return value


def _invalid(message: str) -> Refused:
    return Refused("InvalidParameterException", f"Request has invalid parameters: {message}")
