"""The lens: a faces document's times and boxes, and the pts and pixels of the frames they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from av.video.frame import VideoFrame

from blur_container.geometry import Orientation, Size, boxes_orientation
from blur_container.timeline import Clock
from blur_container.times import presentation_time
from blur_container.video import display_matrix
from chalicelib.contract.faces import VideoDescription


@dataclass(frozen=True)
class Lens:
    """How detections lie over the frames of a video: from when they count, how they are turned, how large."""

    clock: Clock
    orientation: Orientation
    size: Size

    @classmethod
    def of(cls, first: VideoFrame, time_base: Fraction, analysed: VideoDescription) -> Lens:
        """Return the lens of the video that begins with `first` and was analysed as described."""
        size = Size(first.width, first.height)
        orientation = boxes_orientation(
            Orientation.from_display_matrix(display_matrix(first)),
            coded=size,
            analysed=Size(analysed.width, analysed.height),
        )
        return cls(Clock(presentation_time(first), time_base), orientation, size)
