"""The functions that share a video out: run twice, after faults, and on a source that changed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError, ResponseStreamingError

from blur_container.settings import CuttingSettings, RenderSettings, Settings
from chalicelib.contract.errors import (
    FaceBlurError,
    FailureRecorded,
    InvalidDocument,
    OutputMismatch,
    RendererChanged,
    SourceChanged,
)
from chalicelib.contract.job import Failure, Job, manifest_key, output_key
from chalicelib.contract.manifest import failure_manifest
from chalicelib.contract.segments import SegmentKeys
from tests.clips import Clip, Face, faces_document, make_clip
from tests.clouds.container import Container, stored_upload
from tests.clouds.fake_s3 import refusal

GROUPS = {"preset": "ultrafast", "x264-params": "keyint=10:min-keyint=10:scenecut=0"}
CLIP = Clip(faces=[Face(speed_x=0.1)], seconds=1, size=(160, 96), options=GROUPS, audio=["aac"])
RENDER = RenderSettings(preset="ultrafast", encoder_threads=1)
SETTINGS = Settings("work", "output", "0.1.0", RENDER, CuttingSettings(aim_s=0.001, at_once=2))
MENDED = replace(SETTINGS, code_version="0.1.1")
FAULTS = {
    "500": refusal("InternalError", 500),
    "503 SlowDown": refusal("SlowDown", 503),
    "no connection": EndpointConnectionError(endpoint_url="s3"),
    "connection reset": ResponseStreamingError(error="Connection reset by peer"),
}
STEPS = ("plan", "segment", "assembly")


@dataclass
class Functions(Container):
    """The container's functions on one upload, whose `job` goes from function to function."""

    job: Job

    @classmethod
    def on(cls, folder: Path) -> Functions:
        """Return functions whose upload is the clip."""
        content = make_clip(folder / "clip.mp4", CLIP).read_bytes()
        client, job = stored_upload(content, faces_document(CLIP))
        return cls(client, SETTINGS, folder, io.StringIO(), job)

    def plan(self) -> None:
        """Run plan-segments; the job gets its segments."""
        self.job = self.plan_segments(self.job)

    def segment(self, number: int = 1) -> None:
        """Run blur-faces for a segment."""
        self.blur_segment(self.job, number)

    def concatenation(self) -> None:
        """Run assemble-video; the job gets its output."""
        self.job = self.assemble_video(self.job)

    def whole(self) -> None:
        """Run blur-faces for a video in one piece."""
        self.job = self.blur_video(self.job)

    def step(self, name: str) -> Callable[[], None]:
        """Return the step called `name`."""
        steps: dict[str, Callable[[], None]] = {
            "plan": self.plan,
            "whole": self.whole,
            "segment": self.segment,
            "assembly": self.concatenation,
        }
        return steps[name]

    def until(self, step: str) -> Callable[[], None]:
        """Run what comes before a step, in which nothing goes wrong; return the step."""
        ready: dict[str, list[Callable[[], None]]] = {
            "plan": [],
            "whole": [],
            "segment": [self.plan],
            "assembly": [self.plan, self.segments],
        }
        run_all(ready[step])
        self.client.operations.clear()
        return self.step(step)

    def segments(self) -> None:
        """Run blur-faces for all segments."""
        assert self.job.segments is not None
        for number in self.job.segments.numbers:
            self.segment(number)

    def other_record(self, number: int) -> None:
        """Let the record of a segment be that of other code."""
        assert self.job.segments is not None
        key = SegmentKeys.beside(self.job.segments.plan).report(number)
        text = self.client.objects["work", key].decode()
        assert f'"{SETTINGS.code_version}"' in text
        other = text.replace(f'"{SETTINGS.code_version}"', f'"{MENDED.code_version}"')
        self.client.objects["work", key] = other.encode()

    @property
    def told(self) -> str:
        """Return what the manifest says of the delivery; an empty text without one."""
        content = self.client.objects.get(("output", manifest_key(self.job.source)))
        return str(json.loads(content)["status"]) if content else ""

    @property
    def output(self) -> bytes | None:
        """Return what lies where the output goes."""
        return self.client.objects.get(("output", output_key(self.job.source)))


def run_all(steps: Sequence[Callable[[], None]]) -> None:
    """Run steps one after the other."""
    for step in steps:
        step()


@dataclass
class Attempts:
    """What became of a step whose n-th call to S3 failed, for every n."""

    errors: list[str] = field(default_factory=list)
    early_outputs: int = 0
    late_outputs: int = 0


def attempts(folder: Path, step: str, fault: Exception) -> Attempts:
    """Run a step once for each of its calls, which fails; then again, and on to the output.

    What comes before the step runs once: each time begins with a copy of what it left.
    """
    ready = Functions.on(folder)
    ready.until(step)
    good = deepcopy(ready)
    good.step(step)()
    found = Attempts()
    for number in range(len(good.client.operations)):
        functions = deepcopy(ready)
        functions.client.fault = (number, fault)
        found.errors.append(error_of(functions.step(step)))
        found.early_outputs += functions.told == "SUCCEEDED"
        functions.client.fault = None
        run_all([functions.plan, functions.segments, functions.concatenation])
        found.late_outputs += functions.output is not None
    return found


def error_of(run: Callable[[], None]) -> str:
    """Return the name of the error that `run` raises."""
    try:
        run()
    except FaceBlurError as error:
        return type(error).__name__
    return "none"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_call_is_tried_again_and_leaves_no_output(tmp_path: Path, step: str, fault: str) -> None:
    """If any one call to S3 fails, there is no output until the functions run again."""
    found = attempts(tmp_path, step, FAULTS[fault])

    assert set(found.errors) == {"StorageUnavailable"}
    assert (found.early_outputs, found.late_outputs) == (0, len(found.errors))


@pytest.mark.parametrize("step", STEPS)
def test_streams_that_break_once_are_read_again(tmp_path: Path, step: str) -> None:
    """A broken connection in the middle of a block is retried or named, never an unknown error."""
    functions = Functions.on(tmp_path)
    run = functions.until(step)
    functions.client.streams = [FAULTS["connection reset"]]

    assert error_of(run) in {"none", "StorageUnavailable"}


def test_rendered_segments_are_left_alone(tmp_path: Path) -> None:
    """A restarted execution reuses a rendered segment without writing anything."""
    functions = Functions.on(tmp_path)
    functions.until("segment")()
    before = dict(functions.client.objects)
    functions.client.operations.clear()

    functions.segment()

    assert functions.client.objects == before
    assert set(functions.client.operations) == {"list_objects_v2", "get_object"}


def test_a_record_without_its_video_counts_for_nothing(tmp_path: Path) -> None:
    """A segment whose video expired is rendered again, although its record exists."""
    functions = Functions.on(tmp_path)
    functions.until("segment")()
    videos = [place for place in functions.client.objects if place[1].endswith(".mp4") and place[0] == "work"]
    del functions.client.objects[videos[0]]

    functions.segment()

    assert "upload_file" in functions.client.operations


def test_other_settings_begin_anew(tmp_path: Path) -> None:
    """A segment rendered with other settings is not reused."""
    functions = Functions.on(tmp_path)
    functions.until("segment")()
    first = functions.job.segments
    functions.settings = replace(SETTINGS, render=replace(RENDER, crf=30))
    functions.client.operations.clear()

    functions.plan()
    functions.segment()

    assert functions.job.segments != first
    assert "upload_file" in functions.client.operations


def test_segments_of_other_code_are_never_taken(tmp_path: Path) -> None:
    """After an upgrade all segments are rendered again: the old renderer may have shown a face."""
    functions = Functions.on(tmp_path)
    functions.until("assembly")
    first = functions.job.segments
    functions.settings = MENDED
    functions.client.operations.clear()

    run_all([functions.plan, functions.segments])

    assert functions.job.segments is not None
    assert functions.job.segments != first
    assert functions.client.operations.count("upload_file") == len(functions.job.segments.numbers)


@pytest.mark.parametrize("other", ["code", "settings"])
@pytest.mark.parametrize("step", ["segment", "assembly"])
def test_a_plan_of_another_renderer_is_refused(tmp_path: Path, step: str, other: str) -> None:
    """A deployment during an execution makes its plan invalid: no video mixes two renderers."""
    functions = Functions.on(tmp_path)
    run = functions.until(step)
    functions.settings = {"code": MENDED, "settings": replace(SETTINGS, render=replace(RENDER, crf=30))}[
        other
    ]

    with pytest.raises(RendererChanged, match="make redrive"):
        run()

    assert functions.output is None


def test_a_segment_of_another_renderer_is_rendered_again(tmp_path: Path) -> None:
    """A segment whose record names another code version is rendered again."""
    functions = Functions.on(tmp_path)
    functions.until("segment")()
    functions.other_record(1)
    functions.client.operations.clear()

    functions.segment(1)

    assert "upload_file" in functions.client.operations


def test_a_segment_of_another_renderer_is_not_joined(tmp_path: Path) -> None:
    """The assembly refuses a record of another code version."""
    functions = Functions.on(tmp_path)
    concatenation = functions.until("assembly")
    functions.other_record(1)

    with pytest.raises(RendererChanged, match="segment 1"):
        concatenation()

    assert functions.output is None


@pytest.mark.parametrize("step", STEPS)
def test_an_overwritten_source_is_named(tmp_path: Path, step: str) -> None:
    """A source overwritten after the analysis raises an error that names it, and there is no output."""
    functions = Functions.on(tmp_path)
    run = functions.until(step)
    functions.client.objects["input", "clip.mp4"] = b"another video"

    with pytest.raises(SourceChanged, match=r"s3://input/clip\.mp4"):
        run()

    assert functions.output is None


def test_a_missing_segment_is_no_output(tmp_path: Path) -> None:
    """Without the record of every segment nothing is joined."""
    functions = Functions.on(tmp_path)
    functions.plan()
    functions.segment(1)

    with pytest.raises(SourceChanged):
        functions.concatenation()

    assert functions.output is None


def test_nothing_is_joined_into_an_execution_that_has_failed(tmp_path: Path) -> None:
    """An invocation that outlives its failed execution writes no output."""
    functions = Functions.on(tmp_path)
    concatenation = functions.until("assembly")
    recorded = failure_manifest(functions.job, Failure("SourceChanged", "gone")).encode()
    functions.client.objects["output", manifest_key(functions.job.source)] = recorded

    with pytest.raises(FailureRecorded):
        concatenation()

    assert functions.output is None


def test_a_plan_of_another_upload_is_refused(tmp_path: Path) -> None:
    """A plan whose source is another upload is refused."""
    functions = Functions.on(tmp_path)
    functions.plan()
    assert functions.job.segments is not None
    place = functions.job.segments.plan
    text = functions.client.objects[place.bucket, place.key].decode()
    functions.client.objects[place.bucket, place.key] = text.replace(
        functions.job.source.identity, "f" * 64
    ).encode()

    with pytest.raises(InvalidDocument, match="another upload"):
        functions.segment()


def test_a_plan_of_fewer_segments_is_refused(tmp_path: Path) -> None:
    """A plan with fewer segments than the job says is refused."""
    functions = Functions.on(tmp_path)
    functions.plan()
    assert functions.job.segments is not None
    place = functions.job.segments.plan
    plan = json.loads(functions.client.objects[place.bucket, place.key])
    plan["segments"] = [{**plan["segments"][0], "end_pts": None}]
    functions.client.objects[place.bucket, place.key] = json.dumps(plan).encode()

    with pytest.raises(InvalidDocument, match="another upload"):
        functions.segment(1)


def test_a_job_without_segments_is_refused(tmp_path: Path) -> None:
    """A job without segments is refused before anything is read."""
    functions = Functions.on(tmp_path)

    with pytest.raises(InvalidDocument, match="no segment"):
        functions.segment()


def test_what_cannot_be_verified_is_not_delivered(tmp_path: Path) -> None:
    """Segments whose frame count differs from the plan are not delivered."""
    functions = Functions.on(tmp_path)
    functions.plan()
    functions.segments()
    assert functions.job.segments is not None
    place = functions.job.segments.plan
    text = functions.client.objects[place.bucket, place.key].decode()
    functions.client.objects[place.bucket, place.key] = text.replace('"frames":30', '"frames":31').encode()

    with pytest.raises(OutputMismatch, match="30 frames of the 31"):
        functions.concatenation()

    assert functions.output is None
