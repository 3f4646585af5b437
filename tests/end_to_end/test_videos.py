"""`make upload` and `make download`: a video to a stage and back, without another program."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.contract.job import execution_name
from chalicelib.contract.objects import SourceObject
from deploy.errors import VideoUnavailable
from deploy.names import Names
from deploy.settings import StageSettings
from deploy.videos import download, upload
from local_cloud.project import local_names
from tests.checks.readback import video_times
from tests.clips.portraits import PortraitClip, make_portrait_clip
from tests.end_to_end.conftest import Pipeline

NAMES = local_names()
UNTOLD_KEY = "videos/untold.mp4"


def uploaded(pipeline: Pipeline, video: Path, key: str) -> None:
    """Upload `video` by the command, and wait until its execution has ended."""
    upload(pipeline.cloud.client, NAMES, video, key)
    bucket = pipeline.cloud.buckets.input
    version = pipeline.cloud.client("s3").head_object(Bucket=bucket, Key=key)["VersionId"]
    name = execution_name(SourceObject(bucket, key, version, "", "", 0))
    pipeline.ended(f"{pipeline.cloud.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}")


def test_video_goes_up_and_comes_back_blurred(pipeline: Pipeline, tmp_path: Path) -> None:
    """The downloaded file has the frames of the uploaded one, and nothing else is left beside it."""
    video = make_portrait_clip(tmp_path / "clip.mp4", PortraitClip([(240, 135)] * 5))
    target = tmp_path / "out" / "blurred.mp4"

    uploaded(pipeline, video, "videos/clip.mp4")
    download(pipeline.cloud.client, NAMES, "videos/clip.mp4", target)

    assert video_times(target) == video_times(video)
    assert list(target.parent.iterdir()) == [target]


def test_video_that_was_not_blurred_says_why(pipeline: Pipeline, tmp_path: Path) -> None:
    """There is no output, and the sentence is the failure's own."""
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear Sir or Madam")
    uploaded(pipeline, letter, "videos/letter.mp4")

    with pytest.raises(VideoUnavailable, match=r"letter\.mp4 was not blurred\. NotAVideo: "):
        download(pipeline.cloud.client, NAMES, "videos/letter.mp4", tmp_path / "there.mp4")

    assert not (tmp_path / "there.mp4").exists()


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("", "No upload is named"), (UNTOLD_KEY, f"No execution has begun for {UNTOLD_KEY} so far")],
)
def test_upload_that_is_not_there_is_one_sentence(
    pipeline: Pipeline, tmp_path: Path, key: str, sentence: str
) -> None:
    """An upload that was never made is named, with the command that shows what there is."""
    with pytest.raises(VideoUnavailable, match=sentence):
        download(pipeline.cloud.client, NAMES, key, tmp_path / "there.mp4")


@pytest.mark.parametrize(
    ("name", "sentence"), [("missing.mp4", "There is no file"), ("clip.ogv", "nobody would be told of it")]
)
def test_file_that_nobody_would_blur_is_not_uploaded(
    pipeline: Pipeline, tmp_path: Path, name: str, sentence: str
) -> None:
    """The stage takes certain suffixes only."""
    (tmp_path / "clip.ogv").write_bytes(b"1")

    with pytest.raises(VideoUnavailable, match=sentence):
        upload(pipeline.cloud.client, NAMES, tmp_path / name, "")


def test_stage_without_a_bucket_says_what_makes_one(pipeline: Pipeline, tmp_path: Path) -> None:
    """A stage that is not deployed has no bucket."""
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"1")
    names = Names(StageSettings("absent"), NAMES.account)

    with pytest.raises(VideoUnavailable, match="make deploy STAGE=absent` makes it"):
        upload(pipeline.cloud.client, names, video, "")
