"""Rekognition's JSON of StartFaceDetection and GetFaceDetection: requests checked, answers built."""

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
    """A request is answered with an error; `code` is the name of Rekognition's exception."""

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
    """Return the request's JSON object."""
    try:
        request = json.loads(body or b"{}")
    except ValueError as error:
        raise Refused("SerializationException", "the body is not JSON") from error
    if not isinstance(request, dict):
        raise Refused("SerializationException", "the body is not a JSON object")
    return request


def parse_start(request: dict[str, Any]) -> StartRequest:
    """Return the checked request; raise Refused with what is wrong in it."""
    _refuse_what_is_not_there(request)
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
    """Return the checked request; raise Refused with what is wrong in it."""
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
    """Return the token of the page that starts at `offset`; it serves this job only."""
    return base64.urlsafe_b64encode(f"{job_id} {offset}".encode()).decode()


def page_offset(token: str | None, job_id: str, count: int) -> int:
    """Return where the page starts among `count` faces; raise Refused for a token of another job."""
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
    """Return VideoMetadata as GetFaceDetection has it."""
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
    """Return one element of Faces; Pose and Quality are left out, for the detector does not know them."""
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
    """Return Video as both operations have it."""
    place = {"Bucket": video.bucket, "Name": video.key}
    return {"S3Object": place | ({"Version": video.version} if video.version else {})}


def _refuse_what_is_not_there(request: dict[str, Any]) -> None:
    """Refuse what the service offers and the stand-in lacks, rather than pass over it in silence."""
    if request.get("FaceAttributes", "DEFAULT") != "DEFAULT":
        raise _invalid("the local stand-in knows FaceAttributes=DEFAULT only")
    if "NotificationChannel" in request:
        raise _invalid("the local stand-in has no NotificationChannel: poll GetFaceDetection")


def _mapping(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise _invalid(f"{name} is missing")
    return value


def _text(fields: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _invalid(f"{name} must match {pattern.pattern}: {value!r}")
    return value


def _invalid(message: str) -> Refused:
    return Refused("InvalidParameterException", f"Request has invalid parameters: {message}")
