"""Blur regions: the patches of a frame to blur, one for each track at its time."""

from __future__ import annotations

from dataclasses import dataclass

from blur_container.geometry import Rect, Size, around, short_side
from blur_container.masking.noise import track_key
from blur_container.reading.frame_mapping import FrameMapping
from blur_container.tracking.tracks import Tracks


@dataclass(frozen=True, order=True)
class Patch:
    """The region of one face: its part in the frame, the whole, its short side, and the key of its noise."""

    rect: Rect
    whole: Rect
    short_px: float
    key: bytes


class BlurRegions:
    """The patches to blur in each frame of one video."""

    def __init__(self, source_id: str, tracks: Tracks, mapping: FrameMapping) -> None:
        self._source_id = source_id
        self._tracks = tracks
        self._mapping = mapping

    def patches_at(self, pts: int, size: Size | None = None) -> list[Patch]:
        """Return the distinct patches of the frame with `pts` that are inside it, sorted.

        Boxes are fractions of their own frame: give `size` for a frame of another size than the first.
        """
        time_ms, size = float(self._mapping.clock.ms(pts)), size or self._mapping.size
        patches = set()
        for track in self._tracks.at(time_ms):
            box = self._mapping.orientation.to_coded(track.box_at(time_ms))
            whole = around(box, size)
            if rect := whole.within(size):
                key = track_key(self._source_id, track.name_at(time_ms))
                patches.add(Patch(rect, whole, short_side(box, size), key))
        return sorted(patches)
