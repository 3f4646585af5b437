"""The brush: where faces are in a frame, and the frame with them covered."""

from __future__ import annotations

from av.video.frame import VideoFrame

from blur_container.blur import Look, Patch, blur_patches
from blur_container.frames import PlanarFrames, editable_planes
from blur_container.geometry import Size, around, short_side
from blur_container.lens import Lens
from blur_container.noise import track_key
from blur_container.times import presentation_time
from blur_container.track import Track
from blur_container.tracks import Tracks


class Masks:
    """Finds the patches to blur in the frame of a given pts."""

    def __init__(self, source_id: str, tracks: Tracks, lens: Lens) -> None:
        self._source_id = source_id
        self._tracks = tracks
        self._lens = lens

    def patches_at(self, pts: int, size: Size | None = None) -> list[Patch]:
        """Return the patches of the frame with `pts`, in an order that depends on nothing but themselves.

        Boxes are fractions of the frame they lie in: `size` is that of a frame that is not like the first.
        """
        time_ms = float(self._lens.clock.ms(pts))
        patches = (self._patch(track, time_ms, size or self._lens.size) for track in self._tracks.at(time_ms))
        return sorted({patch for patch in patches if patch is not None})

    def _patch(self, track: Track, time_ms: float, size: Size) -> Patch | None:
        box = self._lens.orientation.to_coded(track.box_at(time_ms))
        whole = around(box, size)
        rect = whole.within(size)
        if rect is None:
            return None
        key = track_key(self._source_id, track.name_at(time_ms))
        return Patch(rect, whole, short_side(box, size), key)


class Brush:
    """Draws frames: brings them to the form that is encoded, covers and counts faces."""

    def __init__(self, planar: PlanarFrames, masks: Masks, look: Look) -> None:
        self._planar, self._masks, self._look = planar, masks, look
        self.frames_with_faces = 0

    @property
    def changes(self) -> tuple[str, ...]:
        """Return in words what was converted on the way."""
        return self._planar.changes

    def shows_face(self, pts: int) -> bool:
        """Return whether anything is covered in the frame with `pts`."""
        return bool(self._masks.patches_at(pts))

    def draw(self, frame: VideoFrame) -> VideoFrame:
        """Return `frame` as it is encoded; where nothing has to change it is `frame` itself, untouched."""
        drawn = self._planar.convert(frame)
        patches = self._masks.patches_at(presentation_time(frame), Size(frame.width, frame.height))
        if patches:
            blur_patches(editable_planes(drawn), patches, self._look)
            self.frames_with_faces += 1
        # Not before: the edge that is repeated may be that of a face.
        return self._planar.padded(drawn)
