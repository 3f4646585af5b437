"""One upload in buckets of its own, and the container's functions, called as the machine calls them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from blur_container.functions.assemble_video import join_segments
from blur_container.functions.base import FunctionContext
from blur_container.functions.blur_segment import blur_segment
from blur_container.functions.blur_video import blur_video
from blur_container.functions.plan_segments import plan_video
from blur_container.settings import CuttingSettings, RenderSettings, Settings
from blur_container.storage.s3 import Storage
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import DetectionProgress, DetectionStatus, Execution, Job, faces_key
from chalicelib.contract.log import EventLog
from chalicelib.contract.objects import ObjectReference, SourceObject
from chalicelib.contract.segments import SegmentTask
from tests.clouds.fake_s3 import FakeS3, etag_of

_RENDER = RenderSettings(preset="ultrafast", encoder_threads=1)
_SETTINGS = Settings("work", "output", "fuzz", _RENDER, CuttingSettings(aim_s=0.001, at_once=3))
# A plan that was tampered with may ask for any number of segments; the machine runs 40 at once.
_SEGMENTS_MAX = 5


@dataclass
class Stages:
    """What lies in the buckets, and the payload as it travels; `printed` takes what the functions log."""

    objects: dict[tuple[str, str], bytes]
    payload: Any
    scratch: Path
    printed: io.StringIO = field(default_factory=io.StringIO)
    is_whole: bool = False

    @classmethod
    def of(cls, content: bytes, faces: FacesDocument, scratch: Path) -> Stages:
        """Return an upload of `content` whose faces are known, before any function of the container ran."""
        source = SourceObject("input", "clip.mp4", None, etag_of(content), "01", len(content))
        place = ObjectReference("work", faces_key(source))
        document = replace(faces, source_id=source.identity).to_json().encode()
        progress = DetectionProgress(DetectionStatus.SUCCEEDED, "job-1")
        job = Job(source, progress, Execution("arn", "2026-01-01T00:00:00Z"), faces=place)
        objects = {("input", "clip.mp4"): content, (place.bucket, place.key): document}
        return cls(objects, job.to_json(), scratch)

    def copy(self) -> Stages:
        """Return the same upload, to go on in another way."""
        return Stages(dict(self.objects), self.payload, self.scratch)

    def whole(self) -> None:
        """Run blur-faces for all of the video."""
        self.payload = blur_video(self._context("blur-faces"), Job.from_json(self.payload)).to_json()
        self.is_whole = True

    def plan(self) -> None:
        """Run plan-segments."""
        self.payload = plan_video(self._context("plan-segments"), Job.from_json(self.payload)).to_json()

    def render(self) -> None:
        """Run blur-faces for each segment, as the machine's Map does; for all of a video without any."""
        segments = Job.from_json(self.payload).segments
        if segments is None:
            self.whole()
            return
        for number in segments.numbers[:_SEGMENTS_MAX]:
            self._blur_faces({"job": self.payload, "segment": number})

    def task(self) -> None:
        """Run blur-faces with what the machine's Map would send."""
        self._blur_faces(self.payload)

    def assemble(self) -> None:
        """Run assemble-video, unless the video was rendered as a whole."""
        if self.is_whole:
            return
        job = Job.from_json(self.payload)
        self.payload = join_segments(self._context("assemble-video"), job).to_json()

    def run(self, *steps: str) -> None:
        """Run the steps of that name, one after the other."""
        known: dict[str, Callable[[], None]] = {
            "whole": self.whole,
            "plan": self.plan,
            "render": self.render,
            "task": self.task,
            "assemble": self.assemble,
        }
        for step in steps:
            known[step]()

    def keys(self, ending: str) -> list[tuple[str, str]]:
        """Return the objects of the work bucket whose keys end so."""
        return sorted(place for place in self.objects if place[0] == "work" and place[1].endswith(ending))

    @property
    def outputs(self) -> dict[str, bytes]:
        """Return what lies in the output bucket."""
        return {key: content for (bucket, key), content in self.objects.items() if bucket == "output"}

    def _blur_faces(self, event: Any) -> None:
        task = SegmentTask.from_json(event)
        if task is None:
            self.whole()
            return
        blur_segment(self._context("blur-faces"), Job.from_json(task.job), task.segment)

    def _context(self, function: str) -> FunctionContext:
        log = EventLog(function, self.printed)
        return FunctionContext(Storage(FakeS3(self.objects)), _SETTINGS, log, self.scratch)
