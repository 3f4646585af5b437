"""A video opened for analysis: its proxy frames, and how its frames are displayed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

from blur_container.analysis.face_detector import analysis_size
from blur_container.analysis.proxy_frames import ProxyFrames, open_decoder
from blur_container.geometry import Orientation
from blur_container.reading.frame_mapping import FrameMapping
from blur_container.reading.side_data import display_matrix
from blur_container.reading.source import Source
from blur_container.reading.video import coded_aspect, first_frame, open_source, video_stream
from blur_container.settings import RenderSettings
from blur_container.timing import MS_PER_S
from chalicelib.contract.faces import Box, VideoDescription
from chalicelib.contract.job import DetectionMode

_USUAL_RATE = 25
ProgressCall = Callable[[int, int], None]


@dataclass(frozen=True)
class OpenedVideo:
    """The proxy frames of an open video, the mapping of boxes to them, and the frame as a person sees it.

    `aspect` is the width of a pixel over its height, `frame_rate` the average of frames per second.
    """

    frames: ProxyFrames
    mapping: FrameMapping
    display: Orientation
    aspect: Fraction
    frame_rate: float

    def analysed_size(self, long_side: int) -> tuple[int, int]:
        """Return the (width, height) of a frame, not turned yet, with square pixels and this long side."""
        size = self.mapping.size
        return analysis_size(round(size.width * self.aspect), size.height, long_side)

    def mapped(self, box: Box) -> Box:
        """Return a box in fractions of the frame as displayed, in fractions of what Rekognition analysed."""
        return self.mapping.orientation.to_displayed(self.display.to_coded(box))

    def frame_ms(self) -> int:
        """Return the average duration of a frame in ms, rounded up; that of 25 a second if it is unknown."""
        return math.ceil(MS_PER_S / (self.frame_rate or _USUAL_RATE))


@contextmanager
def open_video(
    source: Source,
    video: VideoDescription,
    settings: RenderSettings,
    progress: ProgressCall,
    samples_ms: Sequence[int] = (),
) -> Iterator[OpenedVideo]:
    """Open a video that was analysed as `video` says; the frames at `samples_ms` are always decoded.

    If the container's detector is used, the first frame in each of its intervals is always decoded too.
    """
    limits, threads = settings.limits, settings.decoder_threads
    with first_frame(source, limits) as (first, stream):
        mapping = FrameMapping.of(first, stream, video)
        display, aspect = Orientation.from_display_matrix(display_matrix(first)), coded_aspect(stream)
    with open_source(source, limits) as container:
        stream = video_stream(container)
        open_decoder(container, stream, threads, limits)
        frames = ProxyFrames(container, stream, mapping.clock, samples_ms, progress, mapping.size)
        if settings.detection_mode is not DetectionMode.REKOGNITION:
            frames.every_ms = settings.detection.interval_ms
        yield OpenedVideo(frames, mapping, display, aspect, float(stream.average_rate or 0))
