"""The tracks document: a window comes back as it was written, and nothing malformed is let in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_container.settings import TrackSettings
from blur_container.timing import Section
from blur_container.tracking.tracklets import TrackletGraph
from blur_container.tracking.tracklets_document import TracksDocument
from blur_container.tracking.windows import Windows
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.faces import Box, Detection

SETTINGS = TrackSettings()
SECTION = Section(2000, 4000)
shares, sides = st.floats(-0.3, 1.2), st.floats(0, 0.5)
faces = st.builds(
    Detection, st.integers(0, 20_000), st.builds(Box, shares, shares, sides, sides), st.floats(0, 100)
)


def document(*found: Detection) -> TracksDocument:
    """Return the document of a window around some detections."""
    return TracksDocument("id", Windows(TrackletGraph.of(found, SETTINGS)).of(SECTION))


def plain() -> dict[str, Any]:
    """Return a document of two tracklets and the gap link between them as JSON values."""
    ones = Detection(2000, Box(0.1, 0.4, 0.1, 0.1), 99.0), Detection(2500, Box(0.5, 0.4, 0.1, 0.1), 98.5)
    value: dict[str, Any] = json.loads(document(*ones).to_json())
    return value


def test_document_without_faces_comes_back() -> None:
    """Its section and interval are there."""
    written = document()

    assert TracksDocument.from_json(written.to_json(), SETTINGS) == written


@given(st.lists(faces, max_size=25))
def test_every_window_comes_back_to_the_last_digit(found: list[Detection]) -> None:
    """The masks are those of the window itself."""
    written = document(*found)

    assert TracksDocument.from_json(written.to_json(), SETTINGS) == written


def test_detection_is_one_list_of_six_numbers() -> None:
    """The form is short: a document may have a million detections."""
    assert plain()["tracklets"] == [[[2000, 0.1, 0.4, 0.1, 0.1, 99.0]], [[2500, 0.5, 0.4, 0.1, 0.1, 98.5]]]
    assert plain()["names"] == [None, None]
    assert plain()["gap_links"] == [[0, 1]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", 1),
        ("source_id", None),
        ("section_ms", [0]),
        ("section_ms", [5, 4]),
        ("section_ms", [0, None]),
        ("interval_ms", 0),
        ("interval_ms", 1.5),
        ("tracklets", None),
        ("tracklets", [[]]),
        ("tracklets", [{}]),
        ("tracklets", [[[2000, 0.1, 0.4, 0.1, 0.1]]]),
        ("tracklets", [[[2000.5, 0.1, 0.4, 0.1, 0.1, 99]]]),
        ("tracklets", [[[-1, 0.1, 0.4, 0.1, 0.1, 99]]]),
        ("tracklets", [[[True, 0.1, 0.4, 0.1, 0.1, 99]]]),
        ("tracklets", [[[2000, 0.1, 0.4, -0.1, 0.1, 99]]]),
        ("tracklets", [[[2000, "0", 0.4, 0.1, 0.1, 99]]]),
        ("tracklets", [[[2000, 0, 0, 1, 1, 99], [2000, 0, 0, 1, 1, 99]]]),
        ("names", [None]),
        ("names", [None, 7]),
        ("gap_links", [[0, 2]]),
        ("gap_links", [[-1, 1]]),
        ("gap_links", [[1, 0]]),
        ("gap_links", [[0, "1"]]),
        ("gap_links", [[0, [1]]]),
        ("gap_links", [[False, 1]]),
        ("gap_links", [[0]]),
    ],
)
def test_malformed_document_is_refused(name: str, value: object) -> None:
    """With InvalidDocument, whatever is wrong."""
    text = json.dumps({**plain(), name: value})

    with pytest.raises(InvalidDocument):
        TracksDocument.from_json(text, SETTINGS)


@pytest.mark.parametrize("text", ["", "[]", "{", b"\xff"])
def test_what_is_no_document_is_refused(text: str | bytes) -> None:
    """The text is no JSON object."""
    with pytest.raises(InvalidDocument):
        TracksDocument.from_json(text, SETTINGS)
