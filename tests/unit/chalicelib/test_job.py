"""The job's names: equal for every delivery of one upload, different for any other."""

import json
import re
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.job import (
    DetectionProgress,
    DetectionStatus,
    Job,
    PagesRead,
    client_request_token,
    execution_name,
    faces_key,
    manifest_key,
    output_key,
)
from chalicelib.contract.objects import SourceObject

SOURCE = SourceObject("input", "clip.mp4", "v1", "etag1", "00A1", 100)
UNVERSIONED = replace(SOURCE, version_id=None)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
sources = st.builds(
    SourceObject, texts, texts, st.none() | texts, texts, texts, st.integers(min_value=0, max_value=10**13)
)


@given(sources)
def test_execution_name_and_token_are_what_aws_accepts(source: SourceObject) -> None:
    """Whatever the key: a name of at most 80 and a token of at most 64 allowed characters."""
    name, token = execution_name(source), client_request_token(source)

    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", token)


@given(sources)
def test_job_survives_the_state_machine(source: SourceObject) -> None:
    """What goes into the payload comes out of it."""
    job = Job(source, DetectionProgress(DetectionStatus.NOT_STARTED))

    assert Job.from_json(job.to_json()) == job


def test_pages_survive_the_state_machine() -> None:
    """What was read, and where to read on."""
    pages = PagesRead(12, ("one", "two"), "token", 2)
    job = Job(SOURCE, DetectionProgress(DetectionStatus.SUCCEEDED, "job", token_number=3), pages=pages)

    assert Job.from_json(json.loads(json.dumps(job.to_json()))) == job


@pytest.mark.parametrize(
    "pages", [[], {}, {"count": 1, "parts": [1], "next_token": "t", "hand_overs": 1}], ids=str
)
def test_broken_pages_are_refused_by_name(pages: object) -> None:
    """Faces could be missing."""
    job = Job(SOURCE, DetectionProgress(DetectionStatus.SUCCEEDED, "job")).to_json()
    read = partial(Job.from_json, {**job, "pages": pages or "nothing"})

    with pytest.raises(InvalidDocument):
        read()


def test_each_number_is_another_request_token() -> None:
    """All of them are what Rekognition takes."""
    tokens = {client_request_token(SOURCE, number) for number in range(3)}

    assert len(tokens) == 3
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{64}", token) for token in tokens)


@pytest.mark.parametrize(
    "other",
    [
        replace(SOURCE, bucket="input2"),
        replace(SOURCE, key="clip2.mp4"),
        replace(SOURCE, version_id="v2"),
        replace(SOURCE, version_id=None),
        replace(UNVERSIONED, etag="etag2"),
        replace(UNVERSIONED, sequencer="00A2"),
    ],
)
def test_another_upload_gets_another_execution(other: SourceObject) -> None:
    """A second upload under the same key is a video of its own, with versioning or without."""
    names = {execution_name(SOURCE), execution_name(UNVERSIONED), execution_name(other)}

    assert len(names) == len({SOURCE, UNVERSIONED, other})


def test_second_delivery_of_an_upload_gets_the_same_execution() -> None:
    """With a version id, what else S3 says of the delivery does not matter."""
    again = replace(SOURCE, sequencer="00FF")

    assert execution_name(again) == execution_name(SOURCE)


def test_output_lies_under_the_key_of_the_upload_with_its_manifest_beside() -> None:
    """A person finds the output by the name they gave the upload."""
    source = replace(SOURCE, key="day 1/käse+brot.mp4")

    assert output_key(source) == "day 1/käse+brot.mp4"
    assert manifest_key(source) == "day 1/käse+brot.mp4.manifest.json"


def test_manifest_of_the_longest_key_still_fits_into_s3() -> None:
    """A key of 1,024 bytes leaves no room for a suffix: the execution's name takes its place."""
    source = replace(SOURCE, key="ü" * 510 + ".mp4")

    assert manifest_key(source) == f"{execution_name(source)}.manifest.json"


def test_faces_documents_of_two_uploads_do_not_meet() -> None:
    """The faces document is named by the execution, not by the key."""
    other = replace(SOURCE, version_id="v2")

    assert faces_key(SOURCE) != faces_key(other)
