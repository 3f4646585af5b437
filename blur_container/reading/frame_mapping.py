"""The lens: a faces document's times and boxes, and the pts and pixels of the frames they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.geometry import Orientation, Rect, Size, boxes_orientation
from blur_container.reading.clean_aperture import clean_aperture
from blur_container.reading.timestamps import presentation_time, time_base
from blur_container.reading.video import display_matrix
from blur_container.timing import Clock
from chalicelib.contract.errors import UnsupportedVideo
from chalicelib.contract.faces import Box, VideoDescription


@dataclass(frozen=True)
class FrameMapping:
    """How detections lie over the frames of a video: from when they count, how they are turned, how large."""

    clock: Clock
    orientation: Orientation
    size: Size

    @classmethod
    def of(cls, first: VideoFrame, stream: VideoStream, analysed: VideoDescription) -> FrameMapping:
        """Return the lens of the video `stream` that begins with `first` and was analysed as described."""
        size, seen = Size(first.width, first.height), Size(analysed.width, analysed.height)
        display = Orientation.from_display_matrix(display_matrix(first))
        aperture = clean_aperture(stream)
        if aperture is not None and _is_analysed(aperture, size, seen):
            turned = boxes_orientation(display, coded=aperture.size, analysed=seen)
            orientation = turned.of_part(_fractions(aperture, size))
        else:
            orientation = boxes_orientation(display, coded=size, analysed=seen)
        return cls(Clock(presentation_time(first), time_base(stream)), orientation, size)


def _is_analysed(aperture: Rect, coded: Size, analysed: Size) -> bool:
    """Return whether the detector saw the clean aperture alone, and not the coded frame with its border.

    No document says which; the size it reports tells. Raise UnsupportedVideo where that is neither.
    """
    seen = {analysed.width, analysed.height}
    if seen == {coded.width, coded.height}:
        return False
    if seen == {aperture.size.width, aperture.size.height}:
        return True
    raise UnsupportedVideo(
        f"the faces were looked for in frames of {analysed.width}x{analysed.height}; that is neither the "
        f"coded frame, {coded.width}x{coded.height}, nor its clean aperture, "
        f"{aperture.size.width}x{aperture.size.height}"
    )


def _fractions(rect: Rect, frame: Size) -> Box:
    size = rect.size
    return Box(
        rect.left / frame.width,
        rect.top / frame.height,
        size.width / frame.width,
        size.height / frame.height,
    )


@dataclass(frozen=True)
class Subject:
    """Whose faces are covered: the source by its identity, and the video as it was analysed."""

    source_id: str
    analysed: VideoDescription
