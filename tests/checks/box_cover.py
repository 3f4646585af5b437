"""Covering: what tests ask of the boxes of tracks."""

from __future__ import annotations

from blur_container.tracking.tracks import Tracks
from chalicelib.contract.faces import Box

# Sums of fractions are rounded; a pixel of an 8k frame is a hundred thousand times wider.
TOLERANCE = 1e-9


def covers(outer: Box, inner: Box) -> bool:
    """Return whether `inner` lies in `outer`."""
    return (
        outer.left <= inner.left + TOLERANCE
        and outer.top <= inner.top + TOLERANCE
        and outer.right >= inner.right - TOLERANCE
        and outer.bottom >= inner.bottom - TOLERANCE
    )


def is_covered(tracks: Tracks, time_ms: float, box: Box) -> bool:
    """Return whether one of the boxes at `time_ms` covers `box`."""
    return any(covers(found, box) for found in tracks.boxes_at(time_ms))


def rounded(found: list[Box]) -> list[tuple[float, ...]]:
    """Return boxes as numbers that can be compared."""
    return sorted(
        (round(box.left, 6), round(box.top, 6), round(box.width, 6), round(box.height, 6)) for box in found
    )
