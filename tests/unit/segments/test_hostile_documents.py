"""Hostile documents: malformed plans, records and tracks, found by the fuzz of the functions, are refused."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given

from blur_container.reading.timestamps import DecodeRange
from blur_container.segments.plan import Plan
from blur_container.segments.record import SegmentRecord
from blur_container.segments.renderer_version import RendererVersion
from blur_container.settings import TrackSettings
from blur_container.timing import Clock
from blur_container.tracking.tracklets_document import TracksDocument
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.faces import VideoDescription
from tests.unit.chalicelib.test_hostile_documents import changed, fuzzed, read_or_refused

PLAN = Plan(
    source_id="id",
    analysed=VideoDescription("h264", 1000, 30.0, 160, 96),
    frames=12,
    clock=Clock(0, Fraction(1, 15360)),
    duration_ms=400,
    spans=(DecodeRange(0, 0, 0, 2048, 2048), DecodeRange(2048, 2048, 2048)),
    renderer=RendererVersion("4f2a", "91cd"),
)

RECORD: dict[str, Any] = {
    "version": 3,
    "video": {"bucket": "work", "key": "executions/clip/plan/0-try.mp4"},
    "pts": [0, 512],
    "packets": 2,
    "digest": "63f697795fe0531f75ab8cc38f97dd3b",
    "end_pts": 1024,
    "frames_with_faces": 2,
    "track_summary": {
        "tracks": 1,
        "edges": {"begin": {"border": 0, "cut": 0, "open": 1}},
        "review_flags": [],
        "offsets_ms": [0],
    },
    "frames_copied": 0,
    "frames_merged": 0,
    "fallback_reason": None,
    "changes": [],
    "steps": {"render": {"seconds": 0.25, "bytes": 2874}},
    "renderer": {"code_version": "4f2a", "settings_digest": "91cd"},
}

TRACKS: dict[str, Any] = {
    "version": 2,
    "source_id": "id",
    "section_ms": [0.0, 133.25],
    "interval_ms": 500,
    "tracklets": [[[0, 0.4, 0.3, 0.15, 0.3, 99.0]], [[200, 0.5, 0.3, 0.15, 0.3, 99.0]]],
    "names": [None, [100, 0.5, 0.3, 0.15, 0.3, 99.0]],
    "gap_links": [[0, 1]],
    "others": [],
}


def plan_with(**changed: Any) -> str:
    """Return the plan with other values in it."""
    return json.dumps({**json.loads(PLAN.to_json()), **changed})


@pytest.mark.parametrize("time_base", ["1e999999999", "1e-999999999", "0", "0/1", "-1/15360", "1/0", "x", ""])
def test_time_base_that_no_video_has_is_refused(time_base: str) -> None:
    """At once: computing ten to the power of a billion would take the function's 15 minutes."""
    with pytest.raises(InvalidDocument, match="time_base"):
        Plan.from_json(plan_with(time_base=time_base))


@pytest.mark.parametrize(
    "pts", [10**400, -(10**400), 2**53, -(2**53)], ids=["huge", "deep", "a bit more", "a bit less"]
)
@pytest.mark.parametrize("name", ["first_pts", "end_pts", "start_pts", "stop_dts"])
def test_time_that_no_file_holds_is_refused(name: str, pts: int) -> None:
    """A float of a larger number is an unnamed error; -2^63 means "no time" in FFmpeg."""
    first, last = (json.loads(PLAN.to_json())["segments"][number] for number in (0, 1))
    text = plan_with(**{"segments": [{**first, name: pts}, last], name: pts})

    with pytest.raises(InvalidDocument, match=r"under 2\^53|cannot go"):
        Plan.from_json(text)


@pytest.mark.parametrize(
    "pts", [[0, -(2**63)], [0, 2**63], [0, 10**400], [0, True], [0, 0.5], ["0"], "0", None]
)
def test_record_of_packets_that_have_no_time_is_refused(pts: object) -> None:
    """FFmpeg takes -2^63 for no time, and the packet could not be compared."""
    with pytest.raises(InvalidDocument, match="pts"):
        SegmentRecord.from_json(json.dumps({**RECORD, "pts": pts}))


@pytest.mark.parametrize(
    "steps",
    [
        {"render": {"seconds": float("inf")}},
        {"render": {"seconds": "long"}},
        {"render": 1},
        {"\ud800": {}},
        {"render": {"\ud800": 1}},
        {"render": {"seconds": {"of": "faces"}}},
        [],
    ],
    ids=ascii,
)
def test_record_whose_seconds_are_no_numbers_is_refused(steps: object) -> None:
    """They go into the manifest, which is written after the output."""
    with pytest.raises(InvalidDocument):
        SegmentRecord.from_json(json.dumps({**RECORD, "steps": steps}))


def test_record_whose_counts_have_no_names_is_refused() -> None:
    """Half a character cannot be written to the manifest."""
    summary = {**RECORD["track_summary"], "edges": {"begin": {"\ud800": 1}}}

    with pytest.raises(InvalidDocument):
        SegmentRecord.from_json(json.dumps({**RECORD, "track_summary": summary}))


def test_plan_and_record_of_the_examples_are_read() -> None:
    """The documents above are refused for their one change."""
    assert Plan.from_json(plan_with()) == PLAN
    assert json.loads(SegmentRecord.from_json(json.dumps(RECORD)).to_json()) == RECORD


@pytest.mark.parametrize("time_ms", [10**400, 2**63, 86_400_001, -1, True, 0.5])
@pytest.mark.parametrize("part", ["tracklets", "names"])
def test_tracks_at_a_time_that_no_video_has_are_refused(part: str, time_ms: object) -> None:
    """Following a face to there would take the function's whole time."""
    face = [time_ms, 0.5, 0.3, 0.15, 0.3, 99.0]
    fresh = {"tracklets": [*TRACKS["tracklets"][:1], [face]], "names": [None, face]}

    with pytest.raises(InvalidDocument, match="a detection"):
        TracksDocument.from_json(json.dumps({**TRACKS, part: fresh[part]}), TrackSettings())


WHOLE_PLAN = json.loads(PLAN.to_json())
READERS: dict[str, Any] = {
    "plan": (WHOLE_PLAN, Plan.from_json),
    "record": (RECORD, SegmentRecord.from_json),
    "tracks": (TRACKS, lambda text: TracksDocument.from_json(text, TrackSettings())),
}
# Why a segment was not copied: it decides nothing.
NEEDED = [
    (kind, name) for kind, (document, _) in READERS.items() for name in document if name != "fallback_reason"
]


@pytest.mark.parametrize(("kind", "name"), NEEDED)
@pytest.mark.parametrize("absent", [{}, {"null": None}], ids=["absent", "null"])
def test_document_that_lacks_a_field_is_refused(kind: str, name: str, absent: dict[str, None]) -> None:
    """Absent is not empty: missing faces, frames or times would be taken for none."""
    document, reader = READERS[kind]
    left = {other: value for other, value in document.items() if other != name}

    with pytest.raises(InvalidDocument):
        reader(json.dumps({**left, **dict.fromkeys(absent and [name])}))


@pytest.mark.parametrize("name", WHOLE_PLAN["segments"][0])
def test_segment_that_lacks_a_field_is_refused(name: str) -> None:
    """Without its end it would be the rest of the video, without `open` lose frames before its key."""
    first, last = WHOLE_PLAN["segments"]
    left = {other: value for other, value in first.items() if other != name}

    with pytest.raises(InvalidDocument):
        Plan.from_json(plan_with(segments=[left, last]))


@fuzzed
@given(changed(json.loads(PLAN.to_json())))
def test_any_plan_is_read_or_refused_by_name(document: Any) -> None:
    """An accepted plan is written unchanged, and all its segments have a time."""
    plans = read_or_refused(lambda: Plan.from_json(json.dumps(document)))

    assert [Plan.from_json(plan.to_json()) for plan in plans] == plans
    assert all(plan.section(number) for plan in plans for number in range(len(plan.spans)))


@fuzzed
@given(changed(RECORD))
def test_any_record_is_read_or_refused_by_name(document: Any) -> None:
    """An accepted record can be written into a manifest, which is text without infinities."""
    records = read_or_refused(lambda: SegmentRecord.from_json(json.dumps(document)))

    assert [SegmentRecord.from_json(record.to_json()) for record in records] == records
    assert all(json.dumps(record.steps, ensure_ascii=False, allow_nan=False).encode() for record in records)


@fuzzed
@given(changed(TRACKS))
def test_any_tracks_document_is_read_or_refused_by_name(document: Any) -> None:
    """An accepted document is written unchanged."""
    read = read_or_refused(lambda: TracksDocument.from_json(json.dumps(document), TrackSettings()))

    assert [TracksDocument.from_json(tracks.to_json(), TrackSettings()).source_id for tracks in read] == [
        tracks.source_id for tracks in read
    ]
