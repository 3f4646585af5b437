"""Redaction: every frame decoded, its faces blurred, encoded again; one pass, constant memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path

from av.container import InputContainer
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from blur_container.audio import StreamDigest
from blur_container.blur import Look, Patch, blur_patches
from blur_container.frames import PlanarFrames, editable_planes, read_ahead
from blur_container.geometry import Orientation, Size, around, boxes_orientation, short_side
from blur_container.noise import track_key
from blur_container.output import Looks, open_output
from blur_container.settings import RenderSettings
from blur_container.timeline import Clock
from blur_container.tracks import Track, Tracks
from blur_container.video import (
    decoded_frames,
    display_matrix,
    open_source,
    presentation_time,
    read_only,
    require_renderable,
    time_base,
    video_stream,
)
from chalicelib.contract.errors import ConfigurationError
from chalicelib.contract.faces import Box, FacesDocument

# One thread decodes and blurs, one encodes: frames between them that keep both busy, 19 MB at 1080p.
_FRAMES_AHEAD = 6
_DEFAULT_RATE = Fraction(25)


@dataclass(frozen=True)
class Progress:
    """How far a rendering is; `frames_total` is the container's word and 0 where it has none."""

    frames: int
    frames_total: int


@dataclass(frozen=True)
class RenderReport:
    """What was rendered, and what its verification must find again."""

    codec: str
    size: Size
    frame_rate: Fraction
    time_base: Fraction
    pts: array[int] = field(repr=False)
    end_pts: int
    frames_with_faces: int
    detections: int
    tracks: int
    sampling_interval_ms: int
    audio: tuple[StreamDigest, ...]
    dropped_streams: tuple[str, ...]


class Masks:
    """Finds the patches to blur in the frame of a given pts."""

    def __init__(
        self, source_id: str, tracks: Tracks, clock: Clock, orientation: Orientation, size: Size
    ) -> None:
        self._source_id = source_id
        self._tracks = tracks
        self._clock = clock
        self._orientation = orientation
        self._size = size

    def patches_at(self, pts: int) -> list[Patch]:
        """Return the patches of the frame with `pts`, in an order that depends on nothing but themselves."""
        time_ms = float(self._clock.ms(pts))
        patches = (self._patch(track, track.box_at(time_ms)) for track in self._tracks.at(time_ms))
        return sorted({patch for patch in patches if patch is not None})

    def _patch(self, track: Track, displayed: Box) -> Patch | None:
        box = self._orientation.to_coded(displayed)
        whole = around(box, self._size)
        rect = whole.within(self._size)
        if rect is None:
            return None
        key = track_key(self._source_id, track.detections[0])
        return Patch(rect, whole, short_side(box, self._size), key)


def redact_video(
    source: Path,
    target: Path,
    faces: FacesDocument,
    settings: RenderSettings,
    progress: Callable[[Progress], None],
) -> RenderReport:
    """Write `source` to `target` with every face of `faces` blurred; on an error no target is left behind."""
    if source.resolve() == target.resolve():
        raise ConfigurationError(f"{source} cannot be both source and target")
    with open_source(source) as video, open_source(source) as audio:
        return _Redaction(video, audio, faces, settings).run(target, progress)


class _Redaction:
    """One source on its way into one target."""

    def __init__(
        self, video: InputContainer, audio: InputContainer, faces: FacesDocument, settings: RenderSettings
    ) -> None:
        self._stream = video_stream(video)
        self._video, self._audio = video, audio
        self._faces, self._settings = faces, settings
        trusted = [face for face in faces.detections if face.confidence >= settings.min_confidence]
        self._tracks = Tracks(trusted, settings.tracks)
        self._pts: array[int] = array("q")
        self._end_pts = 0
        self._frames_with_faces = 0
        read_only(video, [self._stream])
        read_only(audio, list(audio.streams.audio))

    def run(self, target: Path, progress: Callable[[Progress], None]) -> RenderReport:
        threads = self._settings.decoder_threads
        with closing(decoded_frames(self._video, self._stream, threads)) as decoded:
            first = next(decoded)
            require_renderable(first)
            planar = PlanarFrames(first)
            looks = self._looks(first, planar)
            blurred = self._blurred(chain([first], decoded), planar, self._masks(first, looks))
            return self._report(looks, self._write(blurred, looks, target, progress))

    def _blurred(
        self, decoded: Iterator[VideoFrame], planar: PlanarFrames, masks: Masks
    ) -> Generator[VideoFrame, None, None]:
        look = self._look(planar)
        for frame in decoded:
            pts = presentation_time(frame)
            drawn = planar.convert(frame)
            patches = masks.patches_at(pts)
            if patches:
                blur_patches(editable_planes(drawn), patches, look)
                self._frames_with_faces += 1
            self._pts.append(pts)
            self._end_pts = pts + frame.duration
            yield drawn

    def _write(
        self,
        blurred: Generator[VideoFrame, None, None],
        looks: Looks,
        target: Path,
        progress: Callable[[Progress], None],
    ) -> tuple[StreamDigest, ...]:
        with (
            _nothing_partial(target),
            closing(read_ahead(blurred, _FRAMES_AHEAD)) as frames,
            open_output(target, looks, self._audio, self._video, self._settings) as output,
        ):
            for count, frame in enumerate(frames, start=1):
                output.write(frame)
                progress(Progress(count, self._stream.frames))
            return output.finish()

    def _look(self, planar: PlanarFrames) -> Look:
        settings = self._settings
        depth = VideoFormat(planar.pixel_format).components[0].bits
        return Look(settings.style, settings.shape, settings.mosaic_cells, settings.tracks.margin, depth)

    def _looks(self, first: VideoFrame, planar: PlanarFrames) -> Looks:
        return Looks(
            first=first,
            time_base=time_base(self._stream),
            pixel_format=planar.pixel_format,
            frame_rate=self._stream.average_rate or self._stream.guessed_rate or _DEFAULT_RATE,
            sample_aspect_ratio=self._stream.sample_aspect_ratio,
            display_matrix=display_matrix(first),
        )

    def _masks(self, first: VideoFrame, looks: Looks) -> Masks:
        size = Size(first.width, first.height)
        described = self._faces.video
        orientation = boxes_orientation(
            Orientation.from_display_matrix(looks.display_matrix),
            coded=size,
            analysed=Size(described.width, described.height),
        )
        clock = Clock(presentation_time(first), looks.time_base)
        return Masks(self._faces.source_id, self._tracks, clock, orientation, size)

    def _report(self, looks: Looks, audio: tuple[StreamDigest, ...]) -> RenderReport:
        kept = {self._stream.index, *(stream.index for stream in self._audio.streams.audio)}
        dropped = [stream.type for stream in self._video.streams if stream.index not in kept]
        return RenderReport(
            codec=self._stream.codec_context.name,
            size=Size(looks.first.width, looks.first.height),
            frame_rate=looks.frame_rate,
            time_base=looks.time_base,
            pts=self._pts,
            end_pts=self._end_pts,
            frames_with_faces=self._frames_with_faces,
            detections=len(self._faces.detections),
            tracks=self._tracks.count,
            sampling_interval_ms=self._tracks.interval_ms,
            audio=audio,
            dropped_streams=tuple(dropped),
        )


@contextmanager
def _nothing_partial(target: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        raise
