"""Draw frames: convert to the output format, blur the faces, pad to the encoded size."""

from __future__ import annotations

from dataclasses import dataclass

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.geometry import Size
from blur_container.masking.blur import BlurOptions, blur_patches
from blur_container.masking.regions import BlurRegions
from blur_container.reading.frame_mapping import FrameMapping, Subject
from blur_container.reading.timestamps import presentation_time
from blur_container.reading.video_tracks import require_analysed
from blur_container.settings import RenderSettings
from blur_container.tracking.tracks import Tracks
from blur_container.writing.frame_format import PlanarFrames, editable_planes
from blur_container.writing.output_format import StreamParameters, stream_parameters_of


class FrameBlurrer:
    """Converts frames to the output format, blurs their faces, and counts the frames that show one."""

    def __init__(self, planar: PlanarFrames, regions: BlurRegions, options: BlurOptions) -> None:
        self._planar, self._regions, self._options = planar, regions, options
        self.frames_with_faces = 0

    @property
    def changes(self) -> tuple[str, ...]:
        """Return the mid-stream changes that were converted, in words."""
        return self._planar.changes

    def shows_face(self, pts: int) -> bool:
        """Return whether anything is blurred in the frame with `pts`."""
        return bool(self._regions.patches_at(pts))

    def draw(self, frame: VideoFrame) -> VideoFrame:
        """Return `frame` as it is encoded: `frame` itself, unchanged, where there is nothing to do.

        Blurring changes the planes of a converted frame in place.
        """
        drawn = self._planar.convert(frame)
        patches = self._regions.patches_at(presentation_time(frame), Size(frame.width, frame.height))
        if patches:
            blur_patches(editable_planes(drawn), patches, self._options)
            self.frames_with_faces += 1
        # After the blur: padding repeats the edge, which may be that of a face.
        return self._planar.padded(drawn)


@dataclass(frozen=True)
class RenderSetup:
    """The stream parameters of an output, and the blurrer that draws its frames."""

    parameters: StreamParameters
    blurrer: FrameBlurrer

    @classmethod
    def of(
        cls,
        first: VideoFrame,
        stream: VideoStream,
        subject: Subject,
        tracks: Tracks,
        settings: RenderSettings,
    ) -> RenderSetup:
        """Return the setup for the video `stream`, which begins with `first`.

        Raise UnsupportedVideo where its faces were detected in another track, or it cannot be shown right.
        """
        require_analysed(stream, subject.analysed)
        parameters = stream_parameters_of(first, stream, settings)
        mapping = FrameMapping.of(first, stream, subject.analysed)
        options = BlurOptions(
            settings.style,
            settings.shape,
            settings.mosaic_cells,
            settings.tracks.margin,
            parameters.output_format.depth,
        )
        regions = BlurRegions(subject.source_id, tracks, mapping)
        return cls(parameters, FrameBlurrer(PlanarFrames(first, parameters.output_format), regions, options))
