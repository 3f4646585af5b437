"""The canvas: what is known from the first frame of a video before any of its frames is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.blur import Look
from blur_container.brush import Brush, Masks
from blur_container.form import Form, form_of
from blur_container.frames import PlanarFrames
from blur_container.lens import Lens
from blur_container.output import Looks
from blur_container.settings import RenderSettings
from blur_container.times import time_base
from blur_container.tracks import Tracks
from blur_container.video import display_matrix
from blur_container.video_tracks import require_analysed
from chalicelib.contract.faces import VideoDescription

_DEFAULT_RATE = Fraction(25)


@dataclass(frozen=True)
class Subject:
    """Whose faces are covered: the source by its identity, and the video as it was analysed."""

    source_id: str
    analysed: VideoDescription


@dataclass(frozen=True)
class Canvas:
    """How the frames of a video look in the output, and what draws them."""

    looks: Looks
    brush: Brush

    @classmethod
    def of(
        cls,
        first: VideoFrame,
        stream: VideoStream,
        subject: Subject,
        tracks: Tracks,
        settings: RenderSettings,
    ) -> Canvas:
        """Return the canvas of the video `stream`, which begins with `first`."""
        require_analysed(stream, subject.analysed)
        looks = looks_of(first, stream, settings)
        lens = Lens.of(first, stream, subject.analysed)
        masks = Masks(subject.source_id, tracks, lens)
        brush = Brush(PlanarFrames(first, looks.form), masks, _look(looks.form, settings))
        return cls(looks, brush)


def looks_of(first: VideoFrame, stream: VideoStream, settings: RenderSettings) -> Looks:
    """Return how the frames of `stream`, which begins with `first`, are shown and encoded."""
    return Looks(
        first=first,
        form=form_of(first, stream, settings.codec),
        time_base=time_base(stream),
        frame_rate=stream.average_rate or stream.guessed_rate or _DEFAULT_RATE,
        sample_aspect_ratio=stream.sample_aspect_ratio,
        display_matrix=display_matrix(first),
    )


def _look(form: Form, settings: RenderSettings) -> Look:
    return Look(settings.style, settings.shape, settings.mosaic_cells, settings.tracks.margin, form.depth)
