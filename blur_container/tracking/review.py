"""Review flags: moments of a video that a person should check, in the order of their times."""

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

# A track whose best detection is below this confidence, in percent, may be no face.
_UNSURE_PERCENT = 60.0
# A face this high, as a share of the frame height, was in the picture before it was detected.
_LARGE_SHARE = 0.25
# All flags are counted; people read a list of this length.
_LISTED_MAX = 200


class ReviewReason(str, Enum):
    """The reason to check a moment."""

    BRIDGED_GAP = "bridged-gap"
    CUT_IN_TRACK = "cut-inside-track"
    LOW_CONFIDENCE = "low-confidence"
    LARGE_AT_FIRST = "first-seen-large"
    LOST_IN_FRAME = "ends-inside-frame"
    DAMAGED_PICTURE = "damaged-picture"


@dataclass(frozen=True)
class ReviewFlag:
    """A moment to review: ms from the first frame, and a box in fractions of the displayed frame."""

    kind: ReviewReason
    from_ms: int
    to_ms: int
    box: Box

    def to_json(self) -> dict[str, Any]:
        """Return the flag as a JSON object, the box rounded to 4 digits."""
        return {
            "kind": self.kind.value,
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "box": [round(number, 4) for number in self.box.to_json()],
        }

    @classmethod
    def from_json(cls, value: Any) -> ReviewFlag:
        """Return the flag in `value`; raise InvalidDocument if it breaks the contract."""
        fields = require_object(value, "a review flag")
        try:
            kind = ReviewReason(text_field(fields, "kind"))
        except ValueError as error:
            raise InvalidDocument(f"a review flag has an unknown kind: {error}") from error
        span_ms = whole_field(fields, "from_ms"), whole_field(fields, "to_ms")
        return cls(kind, *span_ms, Box.from_json(fields.get("box")))


def review_flags_of(tracks: Tracks, duration_ms: float, section: Section = WHOLE) -> list[ReviewFlag]:
    """Return the review flags that begin in a section of a video of `duration_ms`.

    All sections together have the flags of the whole video, with one exception: a window does not know a
    face's best detection if it is far away, so it may add or shorten a low-confidence flag.
    """
    found = [flag for track in tracks.of_faces for flag in _track_flags(track, duration_ms)]
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
    """Return review flags in the order of their times, then by kind and place."""
    return sorted(
        flags, key=lambda flag: (flag.from_ms, flag.to_ms, flag.kind.value, flag.box.left, flag.box.top)
    )


def edges_of(tracks: Tracks, section: Section = WHOLE) -> dict[str, dict[str, int]]:
    """Return the numbers of tracks that begin and end in a section, by kind of edge.

    A track begins and ends where its first and last detections are: the sums over all sections are the
    numbers of the whole video.
    """
    begun = Counter(track.opening for track in tracks.of_faces if section.holds(track.first.time_ms))
    ended = Counter(track.closing for track in tracks.of_faces if section.holds(track.last.time_ms))
    return {
        name: {edge.value: counts[edge] for edge in Edge}
        for name, counts in (("begin", begun), ("end", ended))
    }


def review_flags_to_json(flags: Sequence[ReviewFlag]) -> dict[str, Any]:
    """Return a JSON object with the number of flags of each kind and a list of the first 200."""
    counts = Counter(flag.kind.value for flag in flags)
    return {
        "counts": {kind.value: counts[kind.value] for kind in ReviewReason},
        "moments": [flag.to_json() for flag in flags[:_LISTED_MAX]],
    }


def _track_flags(track: Track, duration_ms: float) -> Iterator[ReviewFlag]:
    first, last = track.first, track.last
    if track.confidence < _UNSURE_PERCENT:
        yield ReviewFlag(ReviewReason.LOW_CONFIDENCE, first.time_ms, last.time_ms, first.box)
    if track.opening is Edge.OPEN and track.start_ms > 0 and first.box.height >= _LARGE_SHARE:
        yield ReviewFlag(ReviewReason.LARGE_AT_FIRST, round(track.start_ms), first.time_ms, first.box)
    is_inside = last.box.left > 0 and last.box.top > 0 and last.box.right < 1 and last.box.bottom < 1
    if track.closing is Edge.OPEN and track.end_ms < duration_ms and is_inside:
        yield ReviewFlag(ReviewReason.LOST_IN_FRAME, last.time_ms, round(track.end_ms), last.box)
