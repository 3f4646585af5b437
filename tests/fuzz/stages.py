"""Run one upload with a JSON payload through the container's functions, as the state machine does."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blur_container.settings import CuttingSettings, RenderSettings, Settings
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import Job
from chalicelib.contract.segments import SegmentTask
from tests.clouds.container import Container, stored_upload
from tests.clouds.fake_s3 import FakeS3

_RENDER = RenderSettings(preset="ultrafast", encoder_threads=1)
_SETTINGS = Settings("work", "output", "fuzz", _RENDER, CuttingSettings(aim_s=0.001, at_once=3))
# A mutated plan may contain any number of segments: run a few of them.
_SEGMENTS_MAX = 5


@dataclass
class Stages:
    """All objects in the buckets, and the payload between the functions, which log to `printed`."""

    objects: dict[tuple[str, str], bytes]
    payload: Any
    scratch: Path
    printed: io.StringIO = field(default_factory=io.StringIO)
    is_whole: bool = False

    @classmethod
    def of(cls, content: bytes, faces: FacesDocument, scratch: Path) -> Stages:
        """Return an upload of `content` with known faces, before any function of the container ran."""
        client, job = stored_upload(content, faces)
        return cls(client.objects, job.to_json(), scratch)

    def copy(self) -> Stages:
        """Return a copy whose objects and payload can change on their own."""
        return Stages(dict(self.objects), self.payload, self.scratch)

    def whole(self) -> None:
        """Run blur-faces for the whole video."""
        self.payload = self._container.blur_video(Job.from_json(self.payload)).to_json()
        self.is_whole = True

    def plan(self) -> None:
        """Run plan-segments."""
        self.payload = self._container.plan_segments(Job.from_json(self.payload)).to_json()

    def render(self) -> None:
        """Run blur-faces for each segment, or for the whole video where the plan has no segments."""
        segments = Job.from_json(self.payload).segments
        if segments is None:
            self.whole()
            return
        for number in segments.numbers[:_SEGMENTS_MAX]:
            self._blur_faces({"job": self.payload, "segment": number})

    def task(self) -> None:
        """Run blur-faces on the payload, which the state machine's Map would have sent."""
        self._blur_faces(self.payload)

    def assemble(self) -> None:
        """Run assemble-video, unless the video was rendered as a whole."""
        if self.is_whole:
            return
        self.payload = self._container.assemble_video(Job.from_json(self.payload)).to_json()

    def run(self, *steps: str) -> None:
        """Run the named methods in order."""
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
        """Return bucket and key of the work bucket's objects whose keys end with `ending`."""
        return sorted(place for place in self.objects if place[0] == "work" and place[1].endswith(ending))

    @property
    def outputs(self) -> dict[str, bytes]:
        """Return the objects of the output bucket by key."""
        return {key: content for (bucket, key), content in self.objects.items() if bucket == "output"}

    def _blur_faces(self, event: Any) -> None:
        task = SegmentTask.from_json(event)
        if task is None:
            self.whole()
            return
        self._container.blur_segment(Job.from_json(task.job), task.segment)

    @property
    def _container(self) -> Container:
        return Container(FakeS3(self.objects), _SETTINGS, self.scratch, self.printed)
