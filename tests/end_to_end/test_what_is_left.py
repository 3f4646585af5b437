"""What is left of uploads, good ones and bad: lines in logs, and what stands beside the output."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.contract.job import DetectionProgress, DetectionStatus, Execution, Failure, Job, faces_key
from chalicelib.contract.objects import ObjectReference, SourceObject
from local_cloud.cloud import LocalCloud
from local_cloud.faults.kinds import FaultKind
from local_cloud.faults.rules import FOR_EVER, Fault, Step
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
from tests.clips.extra_streams import Extras, with_extras
from tests.clips.portraits import PortraitClip, make_portrait_clip
from tests.end_to_end.conftest import Outcome, Pipeline

SHORT = PortraitClip([(240, 135)] * 3)
TAGS = {"title": "Harbour", "comment": "at home", "location": "+53.5403+009.9678/"}
HOSTILE = 'bell\x07 "},"level":"ERROR" \x1b[2J\u202e.mp4'
GOOD = "left-behind.mp4"
REFUSED = ("blur-faces", "record-failure")


@dataclass(frozen=True)
class Left:
    """How uploads ended, by key; the errors of functions that S3 refused; and all log lines, by function."""

    outcomes: dict[str, Outcome]
    refusals: dict[str, str]
    lines: dict[str, list[str]]

    @property
    def all_lines(self) -> list[str]:
        """Return the lines of all functions."""
        return [line for lines in self.lines.values() for line in lines]


@pytest.fixture(scope="module")
def left(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """Return what is left of uploads that went well, that are no videos, and that S3 refused."""
    folder = tmp_path_factory.mktemp("clips")
    plain = make_portrait_clip(folder / "plain.mp4", SHORT)
    good = with_extras(plain, folder / "tagged.mp4", Extras(tags=TAGS)).read_bytes()
    letter = b"This is a letter, not a video." * 50
    bodies = {GOOD: good, "cut.mp4": plain.read_bytes()[:-1000], "letter.mp4": letter}
    with ThreadPoolExecutor() as pool:
        refused = {name: pool.submit(invoked, pipeline.cloud, name) for name in REFUSED}
        ended = {key: pool.submit(pipeline.blur, body, key) for key, body in bodies.items()}
        outcomes = {key: one.result() for key, one in ended.items()}
        refusals = {name: one.result() for name, one in refused.items()}
    return Left(outcomes, refusals, logged(pipeline.cloud))


def invoked(cloud: LocalCloud, name: str) -> str:
    """Invoke a function whose every read of S3 is cut off; return the error by which it ends."""
    marker, function = f"refused-{name}", f"face-blur-local-{name}"
    step = Step(function, "s3:GetObject")
    cloud.faults.watch(marker, Fault(marker, step, FaultKind.RESET, FOR_EVER))
    source = SourceObject(cloud.buckets.input, f"{marker}\n{HOSTILE}", "v1", "etag", "1", 10)
    job = Job(
        source,
        DetectionProgress(DetectionStatus.SUCCEEDED, "job"),
        Execution("arn", "2026-11-24T12:00:00Z"),
        faces=ObjectReference(cloud.buckets.work, faces_key(source)),
        failure=Failure("NotAVideo", "no video"),
    )
    answer = cloud.client("lambda").invoke(FunctionName=function, Payload=json.dumps(job.to_json()))
    with answer["Payload"] as body:
        return str(json.loads(body.read()).get("errorType"))


def output_of(left: Left) -> Path:
    """Return the output, which must be there."""
    output = left.outcomes[GOOD].output
    assert output is not None, left.outcomes[GOOD]
    return output


def test_uploads_ended_in_all_the_ways_that_are_logged(left: Left) -> None:
    """Blurred; refused by Rekognition and by the renderer; and S3 did not answer."""
    assert {key: one.error for key, one in left.outcomes.items()} == {
        GOOD: "",
        "cut.mp4": "DamagedVideo",
        "letter.mp4": "NotAVideo",
    }
    assert left.refusals == dict.fromkeys(REFUSED, "StorageUnavailable")
    assert left.lines.keys() >= {
        *("face-detection", "check-rekognition-job-status", "get-rekognized-faces", "record-failure"),
        *("plan-segments", "blur-faces", "delete-work-objects"),
    }
    assert [line for line in left.all_lines if "Traceback" in line]


def test_no_log_holds_a_secret_or_a_signature(left: Left) -> None:
    """No log line or traceback contains a secret of the environment or of a signature."""
    assert with_secrets(left.all_lines) == []


def test_no_log_holds_pixels(left: Left) -> None:
    """Short lines of words; a key forges none, by the way of an error's trace either."""
    assert with_pixels(left.all_lines) == []


def test_libraries_print_nothing_of_their_own(left: Left) -> None:
    """FFmpeg and its encoders would print into the log of the function."""
    assert of_libraries([*left.lines["plan-segments"], *left.lines["blur-faces"]]) == []


def test_the_output_is_noted_with_its_version_and_execution_only(pipeline: Pipeline, left: Left) -> None:
    """The output's metadata in S3 is its code version and its execution, nothing else."""
    assert notes_on(pipeline.cloud, GOOD) == wanted_notes(left.outcomes[GOOD].manifest)


def test_the_output_names_no_place_it_came_from(pipeline: Pipeline, left: Left) -> None:
    """The output's bytes contain no bucket, key or folder, and no tag but the title."""
    output = output_of(left)

    assert places_in(output, pipeline.cloud, GOOD) == []
    assert foreign_tags(output) == {"title"}
