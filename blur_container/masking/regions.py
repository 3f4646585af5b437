"""The regions of a frame to blur: one ellipse per face, grown by margin and feather."""

from __future__ import annotations

from blur_container.geometry import Size, around, short_side
from blur_container.masking.blur import Patch
from blur_container.masking.noise import track_key
from blur_container.reading.frame_mapping import FrameMapping
from blur_container.tracking.track import Track
from blur_container.tracking.tracks import Tracks


class BlurRegions:
    """Finds the patches to blur in the frame of a given pts."""

    def __init__(self, source_id: str, tracks: Tracks, mapping: FrameMapping) -> None:
        self._source_id = source_id
        self._tracks = tracks
        self._mapping = mapping

    def patches_at(self, pts: int, size: Size | None = None) -> list[Patch]:
        """Return the patches of the frame with `pts`, in an order that depends on nothing but themselves.

        Boxes are fractions of the frame they lie in: `size` is that of a frame that is not like the first.
        """
        time_ms = float(self._mapping.clock.ms(pts))
        patches = (
            self._patch(track, time_ms, size or self._mapping.size) for track in self._tracks.at(time_ms)
        )
        return sorted({patch for patch in patches if patch is not None})

    def _patch(self, track: Track, time_ms: float, size: Size) -> Patch | None:
        box = self._mapping.orientation.to_coded(track.box_at(time_ms))
        whole = around(box, size)
        rect = whole.within(size)
        if rect is None:
            return None
        key = track_key(self._source_id, track.name_at(time_ms))
        return Patch(rect, whole, short_side(box, size), key)
