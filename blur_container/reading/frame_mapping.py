"""Frame mapping: from the times and boxes of a faces document to the pts and pixels of coded frames."""

from __future__ import annotations

from dataclasses import dataclass

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.geometry import Orientation, Rect, Size, boxes_orientation
from blur_container.limits import Limits
from blur_container.reading.clean_aperture import clean_aperture
from blur_container.reading.side_data import display_matrix
from blur_container.reading.source import Source
from blur_container.reading.timestamps import presentation_time, time_base
from blur_container.reading.video import first_frame
from blur_container.timing import MS_PER_S, Clock
from chalicelib.contract.errors import UnsupportedVideo
from chalicelib.contract.faces import Box, FacesDocument, VideoDescription

# In place of the id of Rekognition's job.
_NO_JOB = "container"


@dataclass(frozen=True)
class FrameMapping:
    """The zero of detection times, the orientation of their boxes, and the size of the coded frames."""

    clock: Clock
    orientation: Orientation
    size: Size

    @classmethod
    def of(cls, first: VideoFrame, stream: VideoStream, analysed: VideoDescription) -> FrameMapping:
        """Return the mapping for the video `stream`, which begins with `first` and was analysed as described.

        Raise UnsupportedVideo where the analysed size fits neither the frame nor its clean aperture.
        """
        size, seen = Size(first.width, first.height), Size(analysed.width, analysed.height)
        display = Orientation.from_display_matrix(display_matrix(first))
        aperture = clean_aperture(stream)
        if aperture is not None and _is_analysed(aperture, size, seen):
            turned = boxes_orientation(display, coded=aperture.size, analysed=seen)
            part = Box(
                aperture.left / size.width,
                aperture.top / size.height,
                aperture.size.width / size.width,
                aperture.size.height / size.height,
            )
            orientation = turned.of_part(part)
        else:
            orientation = boxes_orientation(display, coded=size, analysed=seen)
        return cls(Clock(presentation_time(first), time_base(stream)), orientation, size)


def _is_analysed(aperture: Rect, coded: Size, analysed: Size) -> bool:
    """Return whether the detector analysed the clean aperture and not the coded frame with its border.

    Rekognition does not document which; the size it reports decides. Raise UnsupportedVideo where that is
    neither.
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


@dataclass(frozen=True)
class Subject:
    """The source by its identity, and its video as the detector describes it."""

    source_id: str
    analysed: VideoDescription


def without_detections(source: Source, source_id: str, limits: Limits) -> FacesDocument:
    """Return a faces document of `source` that has no detection, with the displayed size of its first frame.

    The container's own detector finds the faces of such a video.
    """
    with first_frame(source, limits) as (first, stream):
        is_turned = Orientation.from_display_matrix(display_matrix(first)).is_quarter_turn
        sides = (first.height, first.width) if is_turned else (first.width, first.height)
        length_s = (stream.duration or 0) * time_base(stream)
        rate = stream.average_rate or stream.guessed_rate or 0
        video = VideoDescription(
            stream.codec_context.name, max(round(length_s * MS_PER_S), 0), float(rate), *sides
        )
    return FacesDocument(source_id, _NO_JOB, video, ())
