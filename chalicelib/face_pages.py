"""Reads the pages of a Rekognition job, in as many invocations as the account's quota makes necessary."""

from __future__ import annotations

import hashlib
from typing import Any

from chalicelib.contract.errors import (
    InvalidDocument,
    RekognitionLimited,
    RekognitionUnavailable,
    StorageUnavailable,
    VideoTooLarge,
)
from chalicelib.contract.faces import MAX_DETECTIONS, Box, Detection, FacesDocument, VideoDescription
from chalicelib.contract.fields import count_field, finite, require_object, text_field
from chalicelib.contract.job import Job, PagesRead, pages_key
from chalicelib.contract.objects import ObjectReference
from chalicelib.pace import Pace
from chalicelib.rekognition import (
    PAGE_SIZE,
    FaceDetectionJobs,
    complete_answer,
    is_expired_page,
    started_job_id,
)
from chalicelib.storage import read_json, write_json

# Four times what a document can hold: pages may be short, or empty.
PAGES_MAX = 4 * MAX_DETECTIONS // PAGE_SIZE
# Each takes eight of the 25,000 events that the history of an execution holds.
HAND_OVERS_MAX = 40


class FacePages:
    """The pages of a job's faces: those of earlier invocations, in `work_bucket`, and those of this one."""

    def __init__(self, job: Job, s3: Any, work_bucket: str) -> None:
        self._job, self._s3, self._work_bucket = job, s3, work_bucket
        self._job_id = started_job_id(job)
        self._hand_overs = job.pages.hand_overs if job.pages else 0
        self._begin_after(job.pages)

    def _begin_after(self, earlier: PagesRead | None) -> None:
        self._parts = earlier.parts if earlier else ()
        self._count = earlier.count if earlier else 0
        self._token = earlier.next_token if earlier else None
        self._tokens = {self._token}
        self._description: VideoDescription | None = None
        self._detections: list[Detection] = []

    @property
    def may_be_handed_over(self) -> bool:
        """Return whether this invocation has read pages that another one need not read again."""
        return self._description is not None and self._hand_overs < HAND_OVERS_MAX

    def read(self, jobs: FaceDetectionJobs, pace: Pace) -> None:
        """Read on to the last page.

        Raise RekognitionLimited at the end of the time, RekognitionUnavailable at once. Where the token has
        expired, read from the first page.
        """
        has_begun_again = False
        while True:
            pace.wait()
            try:
                self._read_page(jobs)
            except RekognitionLimited:
                pace.refused()
            except RekognitionUnavailable as error:
                if has_begun_again or not is_expired_page(error):
                    raise
                self._begin_after(None)
                has_begun_again = True
            else:
                pace.answered()
            if self._count and self._token is None:
                return
            if pace.is_over:
                raise RekognitionLimited(
                    f"Rekognition job {self._job_id} has more than {self._count} pages, and the time is over."
                )

    def hand_over(self) -> PagesRead:
        """Write the faces that this invocation has read; return what the next one needs to read on."""
        text = self._own_document().to_json()
        # Two invocations at once may read different pages: each part is named after what is in it.
        part = hashlib.sha256(text.encode()).hexdigest()
        write_json(self._s3, self._place(part), text)
        return PagesRead(self._count, (*self._parts, part), self._token or "", self._hand_overs + 1)

    def document(self) -> FacesDocument:
        """Return the detections of all pages as one document."""
        own = self._own_document()
        earlier: list[Detection] = []
        for part in self._parts:
            earlier += self._read_part(part).detections
            self._require_room(len(earlier) + len(own.detections))
        return FacesDocument(own.source_id, own.job_id, own.video, (*earlier, *own.detections))

    def _read_page(self, jobs: FaceDetectionJobs) -> None:
        page = jobs.page(self._job_id, self._token)
        with complete_answer(f"job {self._job_id}"):
            self._description = self._description or _describe(page.answer)
            self._detections += [_detection(face) for face in page.answer["Faces"]]
        self._require_room(len(self._detections))
        self._count += 1
        self._token = page.next_token
        if self._token is None:
            return
        if self._token in self._tokens:
            raise InvalidDocument(f"Rekognition job {self._job_id} repeats the same page.")
        if self._count >= PAGES_MAX:
            raise InvalidDocument(f"Rekognition job {self._job_id} has over {PAGES_MAX} pages.")
        self._tokens.add(self._token)

    def _own_document(self) -> FacesDocument:
        if self._description is None:
            raise RekognitionUnavailable(f"Rekognition job {self._job_id} succeeded without a VideoMetadata.")
        detections = tuple(self._detections)
        return FacesDocument(self._job.source.identity, self._job_id, self._description, detections)

    def _read_part(self, part: str) -> FacesDocument:
        place = self._place(part)
        text = read_json(self._s3, place)
        if hashlib.sha256(text).hexdigest() != part:
            raise StorageUnavailable(f"{place.uri} is not what was written there.")
        return FacesDocument.from_json(text)

    def _place(self, part: str) -> ObjectReference:
        return ObjectReference(self._work_bucket, pages_key(self._job.source, part))

    def _require_room(self, count: int) -> None:
        if count > MAX_DETECTIONS:
            raise VideoTooLarge(f"Rekognition job {self._job_id} has over {MAX_DETECTIONS} detections.")


def _describe(page: dict[str, Any]) -> VideoDescription | None:
    if page.get("VideoMetadata") is None:
        return None  # Another page may have it.
    metadata = require_object(page["VideoMetadata"], "VideoMetadata")
    width, height = count_field(metadata, "FrameWidth"), count_field(metadata, "FrameHeight")
    if not width or not height:
        raise InvalidDocument(f"a frame must have pixels, not {width}x{height}")
    return VideoDescription(
        codec=text_field(metadata, "Codec"),
        duration_ms=count_field(metadata, "DurationMillis"),
        frame_rate=finite(metadata.get("FrameRate"), "FrameRate"),
        width=width,
        height=height,
    )


def _detection(entry: Any) -> Detection:
    fields = require_object(entry, "a face of Rekognition")
    face = require_object(fields.get("Face"), "Face")
    box = require_object(face.get("BoundingBox"), "BoundingBox")
    left, top, width, height = (finite(box.get(name), name) for name in ("Left", "Top", "Width", "Height"))
    return Detection(
        time_ms=count_field(fields, "Timestamp"),
        box=Box(left, top, width, height),
        confidence=finite(face.get("Confidence"), "Confidence"),
    )
