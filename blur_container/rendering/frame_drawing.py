"""The brush: where faces are in a frame, and the frame with them covered."""

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
from blur_container.writing.output_format import OutputFormat, StreamParameters, stream_parameters_of


class FrameBlurrer:
    """Draws frames: brings them to the form that is encoded, covers and counts faces."""

    def __init__(self, planar: PlanarFrames, masks: BlurRegions, options: BlurOptions) -> None:
        self._planar, self._masks, self._options = planar, masks, options
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
            blur_patches(editable_planes(drawn), patches, self._options)
            self.frames_with_faces += 1
        # Not before: the edge that is repeated may be that of a face.
        return self._planar.padded(drawn)


@dataclass(frozen=True)
class RenderSetup:
    """How the frames of a video look in the output, and what draws them."""

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
        """Return the canvas of the video `stream`, which begins with `first`."""
        require_analysed(stream, subject.analysed)
        parameters = stream_parameters_of(first, stream, settings)
        mapping = FrameMapping.of(first, stream, subject.analysed)
        masks = BlurRegions(subject.source_id, tracks, mapping)
        blurrer = FrameBlurrer(
            PlanarFrames(first, parameters.output_format), masks, _options(parameters.output_format, settings)
        )
        return cls(parameters, blurrer)


def _options(output_format: OutputFormat, settings: RenderSettings) -> BlurOptions:
    return BlurOptions(
        settings.style, settings.shape, settings.mosaic_cells, settings.tracks.margin, output_format.depth
    )
