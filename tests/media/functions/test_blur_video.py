"""blur-faces: a job in, the job with output and manifest out; nothing uploaded unless all is well."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import pytest

from blur_container.analysis.face_model import INDEX, model_folder
from blur_container.functions.base import FunctionContext
from blur_container.functions.blur_video import blur_video
from blur_container.rendering.progress import Progress, ProgressLog
from blur_container.settings import RenderSettings, Settings
from blur_container.storage.s3 import Storage
from chalicelib.contract.errors import (
    DamagedVideo,
    FailureRecorded,
    InvalidDocument,
    ModelDamaged,
    SourceChanged,
)
from chalicelib.contract.job import (
    DetectionMode,
    DetectionProgress,
    DetectionStatus,
    Execution,
    Failure,
    Job,
    faces_key,
    manifest_key,
)
from chalicelib.contract.log import EventLog
from chalicelib.contract.manifest import failure_manifest
from chalicelib.contract.objects import ObjectReference, SourceObject
from tests.clips import Clip, Face, faces_document, make_clip
from tests.clouds.fake_s3 import FakeS3

CLIP = Clip(faces=[Face(speed_x=0.2)], audio=["aac"], seconds=0.5)
SOURCE = SourceObject("input", "holiday/clip 1.mp4", "v7", "etag", "01", 1000)
JOB = Job(
    source=SOURCE,
    detection=DetectionProgress(DetectionStatus.SUCCEEDED, "job-1"),
    execution=Execution("arn:aws:states:eu-west-1:111122223333:execution:m:e", "2026-01-01T00:00:00Z"),
    faces=ObjectReference("work", faces_key(SOURCE)),
)
SETTINGS = Settings("work", "output", "0.1.0+test", RenderSettings())


@dataclass
class Scene:
    """A bucket with one upload and its faces document, and the function that works on it."""

    client: FakeS3
    scratch: Path
    lines: io.StringIO = field(default_factory=io.StringIO)

    def run(self, job: Job = JOB, settings: Settings = SETTINGS) -> Job:
        """Run the function."""
        log = EventLog("blur-faces", self.lines)
        return blur_video(FunctionContext(Storage(self.client), settings, log, self.scratch), job)

    @property
    def outputs(self) -> dict[str, bytes]:
        """Return what lies in the output bucket."""
        return {key: content for (bucket, key), content in self.client.objects.items() if bucket == "output"}

    @property
    def log(self) -> list[dict[str, Any]]:
        """Return the log lines."""
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Return a scene whose temporary files are all gone afterwards."""
    clip = make_clip(tmp_path / "in.mp4", CLIP).read_bytes()
    faces = replace(faces_document(CLIP), source_id=SOURCE.identity).to_json().encode()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    yield Scene(FakeS3({("input", SOURCE.key): clip, ("work", faces_key(SOURCE)): faces}), scratch)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("damage", [Path.unlink, Path.touch], ids=["missing", "empty"])
def test_damaged_face_model_delivers_nothing(
    scene: Scene, damage: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A detector that finds nothing would leave every face visible."""
    folder = Path(shutil.copytree(model_folder(), tmp_path / "path" / "face_model"))
    index = folder / INDEX
    index.unlink()
    index.touch()
    damage(index)
    monkeypatch.syspath_prepend(tmp_path / "path")
    render = replace(SETTINGS.render, detection_mode=DetectionMode.BOTH)

    with pytest.raises(ModelDamaged):
        scene.run(settings=replace(SETTINGS, render=render))

    assert scene.outputs == {}


def test_job_comes_back_with_output_and_manifest(scene: Scene) -> None:
    """The result names output and manifest, both in the output bucket under the upload's key."""
    job = scene.run()

    assert job == replace(
        JOB,
        output=ObjectReference("output", "holiday/clip 1.mp4"),
        manifest=ObjectReference("output", "holiday/clip 1.mp4.manifest.json"),
    )
    assert set(scene.outputs) == {"holiday/clip 1.mp4", "holiday/clip 1.mp4.manifest.json"}


def test_output_is_a_video_with_its_origin_in_the_metadata(scene: Scene) -> None:
    """Whoever finds the object can tell where it comes from."""
    scene.run()

    with av.open(io.BytesIO(scene.outputs["holiday/clip 1.mp4"])) as container:
        assert container.streams.video[0].frames == 15
    (upload,) = [request for request in scene.client.requests if request.get("ContentType") == "video/mp4"]
    assert upload["Metadata"] == {"source-version": "v7", "execution": "e"}


def test_manifest_tells_what_was_counted_and_timed(scene: Scene) -> None:
    """Source, settings, code, detections, tracks, frames, seconds and bytes of each step."""
    scene.run()

    manifest = json.loads(scene.outputs["holiday/clip 1.mp4.manifest.json"])
    assert manifest["status"] == "SUCCEEDED"
    assert manifest["output"] == {"key": "holiday/clip 1.mp4"}
    assert manifest["source"]["version_id"] == "v7"
    assert (manifest["code_version"], manifest["settings"]["crf"]) == ("0.1.0+test", 20)
    assert (manifest["detections"], manifest["tracks"], manifest["sampling_interval_ms"]) == (3, 1, 500)
    assert (manifest["frames"], manifest["frames_with_faces"], manifest["audio_streams"]) == (15, 15, 1)
    assert manifest["video"] == {
        "codec": "h264",
        "width": 320,
        "height": 180,
        "frame_rate": "30",
        "duration_ms": 500,
    }
    assert list(manifest["steps"]) == ["download", "render", "verify"]
    assert manifest["steps"]["verify"]["bytes"] == len(scene.outputs["holiday/clip 1.mp4"])


def test_log_has_one_line_in_one_out_and_progress_between(scene: Scene) -> None:
    """The local cloud draws its bar from the lines between."""
    scene.run()

    messages = [line["message"] for line in scene.log]
    assert (messages[0], messages[1], messages[-1]) == ("started", "locating", "finished")
    assert (scene.log[1]["frames"], scene.log[1]["frames_total"]) == (0, 15)


def test_nothing_is_delivered_after_the_failure_was_recorded(scene: Scene) -> None:
    """An invocation whose answer was lost outlives its execution: both would be visible."""
    recorded = failure_manifest(JOB, Failure("SourceChanged", "gone")).encode()
    scene.client.objects["output", manifest_key(SOURCE)] = recorded

    with pytest.raises(FailureRecorded):
        scene.run()

    assert scene.outputs == {manifest_key(SOURCE): recorded}


def test_a_failure_of_an_earlier_execution_stops_nobody(scene: Scene) -> None:
    """`make redrive` starts another one, which writes over it."""
    earlier = replace(JOB, execution=Execution("arn:earlier", "2026-11-23T12:00:00Z"))
    recorded = failure_manifest(earlier, Failure("StorageUnavailable", "S3 was down")).encode()
    scene.client.objects["output", manifest_key(SOURCE)] = recorded

    scene.run()

    assert json.loads(scene.outputs[manifest_key(SOURCE)])["status"] == "SUCCEEDED"


def test_damaged_upload_leaves_the_output_bucket_empty(scene: Scene) -> None:
    """A damaged upload writes nothing to the output bucket."""
    whole = scene.client.objects["input", SOURCE.key]
    scene.client.objects["input", SOURCE.key] = whole[: len(whole) // 2]

    with pytest.raises(DamagedVideo):
        scene.run()

    assert scene.outputs == {}
    assert scene.log[-1]["error"] == "DamagedVideo"


def test_faces_of_another_upload_are_refused(scene: Scene) -> None:
    """The boxes of another version would leave faces uncovered."""
    other = replace(JOB, source=replace(SOURCE, version_id="v8"))

    with pytest.raises(InvalidDocument, match="belongs to"):
        scene.run(other)

    assert scene.outputs == {}


def test_faces_document_from_another_bucket_is_refused(scene: Scene) -> None:
    """A faces document outside the work bucket, where only get-rekognized-faces writes, is refused."""
    elsewhere = replace(JOB, faces=ObjectReference("uploads", "faces.json"))

    with pytest.raises(InvalidDocument, match="not in WORK_BUCKET"):
        scene.run(elsewhere)

    assert scene.outputs == {}


def test_job_without_faces_document_is_refused(scene: Scene) -> None:
    """A job without a faces document is refused, not rendered without faces."""
    with pytest.raises(InvalidDocument, match="no faces document"):
        scene.run(replace(JOB, faces=None))


def test_upload_that_is_gone_is_named(scene: Scene) -> None:
    """A version that was deleted after the analysis raises SourceChanged."""
    del scene.client.objects["input", SOURCE.key]

    with pytest.raises(SourceChanged):
        scene.run()


def test_progress_lines_are_frequent_at_first_and_rare_later() -> None:
    """Two a second for 10 s, then one in 5 s: an hour of rendering stays below a thousand lines."""
    lines = io.StringIO()
    moments_s = iter([0.0, *(index / 25 for index in range(25 * 60))])
    told = ProgressLog(EventLog("blur-faces", lines), clock=lambda: next(moments_s))

    list(map(told, [Progress(frame, 1500) for frame in range(25 * 60)]))

    frames = [json.loads(line)["frames"] for line in lines.getvalue().splitlines()]
    assert frames[:3] == [0, 13, 26]
    assert len(frames) == 30
