"""Doubts: the moments of a video that deserve a human look, in the order of their times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from blur_container.timing import WHOLE, Section
from blur_container.tracking.track import Edge, Track
from blur_container.tracking.tracks import Tracks
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.faces import Box
from chalicelib.contract.fields import require_object, text_field, whole_field

# Below this, in percent, a detector was not sure of a face in any of its frames.
_UNSURE_PERCENT = 60.0
# A face this high, as a share of the frame, was near before it was found.
_LARGE_SHARE = 0.25
# A manifest is read by people; all review flags are counted, so many are listed.
_LISTED_MAX = 200


class ReviewReason(str, Enum):
    """Why a moment deserves a look."""

    BRIDGED_GAP = "bridged-gap"
    CUT_IN_TRACK = "cut-inside-track"
    LOW_CONFIDENCE = "low-confidence"
    LARGE_AT_FIRST = "first-seen-large"
    LOST_IN_FRAME = "ends-inside-frame"
    DAMAGED_PICTURE = "damaged-picture"


@dataclass(frozen=True)
class ReviewFlag:
    """A stretch of time and where to look: a box in fractions of the displayed frame."""

    kind: ReviewReason
    from_ms: int
    to_ms: int
    box: Box

    def to_json(self) -> dict[str, Any]:
        """Return the doubt as a JSON object."""
        return {
            "kind": self.kind.value,
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "box": [round(number, 4) for number in self.box.to_json()],
        }

    @classmethod
    def from_json(cls, value: Any) -> ReviewFlag:
        """Return the doubt in `value`; raise InvalidDocument where it breaks the rules."""
        fields = require_object(value, "a doubt")
        try:
            kind = ReviewReason(text_field(fields, "kind"))
        except ValueError as error:
            raise InvalidDocument(f"a doubt cannot be read: {error}") from error
        span_ms = whole_field(fields, "from_ms"), whole_field(fields, "to_ms")
        return cls(kind, *span_ms, Box.from_json(fields.get("box")))


def review_flags_of(tracks: Tracks, duration_ms: float, section: Section = WHOLE) -> list[ReviewFlag]:
    """Return every doubt that begins in a section of a video that lasts `duration_ms`.

    Those of all sections together are those of the whole, but for one: whether a face that goes on behind a
    window is ever seen surely is not known there, so it can be in doubt, or for a shorter time.
    """
    found = [flag for track in tracks.of_faces for flag in _of_track(track, duration_ms)]
    found += [
        ReviewFlag(
            ReviewReason.CUT_IN_TRACK if gap.is_cut else ReviewReason.BRIDGED_GAP,
            gap.earlier.time_ms,
            gap.later.time_ms,
            gap.earlier.box,
        )
        for gap in tracks.gaps
    ]
    found += [
        ReviewFlag(
            ReviewReason.DAMAGED_PICTURE, glitch.before_ms, glitch.after_ms, track.box_at(glitch.before_ms)
        )
        for glitch, track in tracks.hidden
    ]
    return in_order(flag for flag in found if section.holds(flag.from_ms))


def in_order(flags: Iterable[ReviewFlag]) -> list[ReviewFlag]:
    """Return the review flags of one section or more in the order of their times."""
    return sorted(flags, key=_order)


def edges_of(tracks: Tracks, section: Section = WHOLE) -> dict[str, dict[str, int]]:
    """Return how many tracks begin and end in a section at the border, at a cut, or nobody knows how.

    Their first and last detections count: the sums over all sections are the numbers of the whole.
    """
    begun = Counter(track.opening for track in tracks.of_faces if section.holds(track.first.time_ms))
    ended = Counter(track.closing for track in tracks.of_faces if section.holds(track.last.time_ms))
    return {
        name: {edge.value: counts[edge] for edge in Edge}
        for name, counts in (("begin", begun), ("end", ended))
    }


def review_flags_to_json(flags: Sequence[ReviewFlag]) -> dict[str, Any]:
    """Return how many review flags of each kind there are, and the first of them."""
    counts = Counter(flag.kind.value for flag in flags)
    return {
        "counts": {kind.value: counts[kind.value] for kind in ReviewReason},
        "moments": [flag.to_json() for flag in flags[:_LISTED_MAX]],
    }


def _of_track(track: Track, duration_ms: float) -> Iterator[ReviewFlag]:
    first, last = track.first, track.last
    if track.confidence < _UNSURE_PERCENT:
        yield ReviewFlag(ReviewReason.LOW_CONFIDENCE, first.time_ms, last.time_ms, first.box)
    if track.opening is Edge.OPEN and track.start_ms > 0 and first.box.height >= _LARGE_SHARE:
        yield ReviewFlag(ReviewReason.LARGE_AT_FIRST, round(track.start_ms), first.time_ms, first.box)
    if track.closing is Edge.OPEN and track.end_ms < duration_ms and _is_inside(last.box):
        yield ReviewFlag(ReviewReason.LOST_IN_FRAME, last.time_ms, round(track.end_ms), last.box)


def _is_inside(box: Box) -> bool:
    return box.left > 0 and box.top > 0 and box.right < 1 and box.bottom < 1


def _order(flag: ReviewFlag) -> tuple[int, int, str, float, float]:
    return flag.from_ms, flag.to_ms, flag.kind.value, flag.box.left, flag.box.top
