"""Segments: a long video is rendered by several functions, and comes back as if one had done it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from chalicelib.contract.job import work_folder
from local_cloud.cloud import LocalCloud
from local_cloud.settings import CloudSettings
from tests.checks.log_secrets import (
    foreign_tags,
    logged,
    notes_on,
    of_libraries,
    places_in,
    wanted_notes,
    with_pixels,
    with_secrets,
)
from tests.checks.readback import audio_packets, audio_starts, video_times
from tests.clips.portraits import PortraitClip, make_portrait_clip
from tests.end_to_end.conftest import ROOT, Outcome, Pipeline, Upload

GROUPS = (("preset", "ultrafast"), ("crf", "18"), ("x264-params", "keyint=12:min-keyint=12:scenecut=0"))
WALK = PortraitClip([(60 + 3 * step, 135) for step in range(110)], options=GROUPS)
SIDE_BY_SIDE = 2


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Return a deployed system that shares out what takes longer than a blink."""
    eager = {"SEGMENT_WORK_S": "0.05", "SEGMENTS_AT_ONCE": "4"}
    settings = CloudSettings(
        detection="rekognition", retry_delays_s=(0.05,), image_concurrency=SIDE_BY_SIDE, renderer=eager
    )
    with LocalCloud(settings) as cloud:
        cloud.deploy(ROOT)
        yield Pipeline(cloud, tmp_path_factory.mktemp("outputs"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video of a walking head, with sound and ten keyframes."""
    return make_portrait_clip(tmp_path_factory.mktemp("clips") / "walk.mp4", WALK)


@pytest.fixture(scope="module")
def done(pipeline: Pipeline, source: Path) -> tuple[Upload, Outcome]:
    """Return the upload of the video and how it ended."""
    upload = pipeline.put(source, "walk.mp4")
    return upload, pipeline.wait(upload)


def output_of(outcome: Outcome) -> Path:
    """Return the output, which must be there."""
    assert outcome.status == "SUCCEEDED", outcome
    assert outcome.output is not None
    return outcome.output


def test_every_frame_and_sound_is_there_at_its_time(done: tuple[Upload, Outcome], source: Path) -> None:
    """Joints lose nothing, add nothing and shift nothing."""
    output = output_of(done[1])

    assert video_times(output) == video_times(source)
    assert audio_packets(output) == audio_packets(source)
    assert audio_starts(output) == audio_starts(source)


def test_the_video_went_through_segments(pipeline: Pipeline, done: tuple[Upload, Outcome]) -> None:
    """The video was planned, rendered in four parallel segments, and joined."""
    upload, _ = done

    states = pipeline.states(upload)

    ending = ["Blur segment", "Assemble video", "Delivered?", "Delete work objects", "Blurred"]
    assert states[-5:] == ending
    assert states.count("Blur segment") == len(pipeline.report(upload)["segments"]) == 4


def test_it_decodes_without_a_warning(done: tuple[Upload, Outcome]) -> None:
    """The joined video decodes without a warning."""
    with av.logging.Capture() as warnings, av.open(str(output_of(done[1]))) as container:
        container.streams.video[0].codec_context.options = {"err_detect": "explode"}
        frames = list(container.decode(video=0))

    assert (len(frames), warnings) == (110, [])


def test_the_work_bucket_is_left_empty(pipeline: Pipeline, done: tuple[Upload, Outcome]) -> None:
    """Faces, plan and segments go with the execution."""
    found = pipeline.cloud.client("s3").list_objects_v2(
        Bucket=pipeline.cloud.buckets.work, Prefix=work_folder(done[0].source)
    )

    assert found["KeyCount"] == 0


def test_payloads_are_small(pipeline: Pipeline, done: tuple[Upload, Outcome]) -> None:
    """The machine holds 256 KiB; no state gets more than a few."""
    pages = pipeline.cloud.client("stepfunctions").get_paginator("get_execution_history")
    events = [
        event for page in pages.paginate(executionArn=done[0].execution_arn) for event in page["events"]
    ]
    inputs = [
        event["stateEnteredEventDetails"].get("input", "")
        for event in events
        if "stateEnteredEventDetails" in event
    ]

    assert max(map(len, inputs)) < 4096
    assert len(events) < 200


def test_logs_of_segments_hold_no_secret_and_no_pixels(
    pipeline: Pipeline, done: tuple[Upload, Outcome]
) -> None:
    """Four functions at once print as little as one."""
    output_of(done[1])

    found = logged(pipeline.cloud)

    container = [line for name in ("plan-segments", "blur-faces", "assemble-video") for line in found[name]]
    everything = [line for lines in found.values() for line in lines]
    assert of_libraries(container) == []
    assert (with_secrets(everything), with_pixels(everything)) == ([], [])


def test_a_joined_output_is_noted_and_named_like_any_other(
    pipeline: Pipeline, done: tuple[Upload, Outcome]
) -> None:
    """The joined output has the metadata of any output, and contains no place and no foreign tag."""
    output = output_of(done[1])

    assert notes_on(pipeline.cloud, "walk.mp4") == wanted_notes(done[1].manifest)
    assert places_in(output, pipeline.cloud, "walk.mp4") == []
    assert foreign_tags(output) == set()
