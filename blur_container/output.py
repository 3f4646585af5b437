"""The rendered file: an H.264 stream with the source's times and looks, its audio, and few of its tags."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from blur_container.audio import AudioCopy, StreamDigest
from blur_container.settings import RenderSettings
from chalicelib.contract.errors import OutputMismatch

# Tags name places, devices and people: only these are known not to.
_KEPT_TAGS = ("creation_time", "title")
_TIMESCALE_MAX = 2**31 - 1


@dataclass(frozen=True)
class Looks:
    """How frames are meant to be shown: what the encoder must be told before the first of them."""

    first: VideoFrame
    time_base: Fraction
    pixel_format: str
    frame_rate: Fraction
    sample_aspect_ratio: Fraction | None
    display_matrix: Sequence[int] | None


class Output:
    """An MP4 being written: frames are encoded, audio follows in step."""

    def __init__(self, container: OutputContainer, video: VideoStream, audio: AudioCopy) -> None:
        self._container = container
        self._video = video
        self._audio = audio

    def write(self, frame: VideoFrame) -> None:
        """Encode one frame; later ones must follow in the order of presentation."""
        # Otherwise the encoder repeats the frame types of the source.
        frame.pict_type = 0
        self._mux(self._video.encode(frame))

    def finish(self) -> tuple[StreamDigest, ...]:
        """Write what the encoder and the audio still hold; return the digests of the audio streams."""
        self._mux(self._video.encode(None))
        self._audio.write_rest()
        return self._audio.digests()

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            if packet.dts is not None:
                self._audio.write_until(packet.dts * packet.time_base)
            self._container.mux_one(packet)


@contextmanager
def open_output(
    path: Path, looks: Looks, audio: InputContainer, source: InputContainer, settings: RenderSettings
) -> Iterator[Output]:
    """Open `path` for writing; it is whole only after this context has ended without an error."""
    with open_container(path, looks.time_base, audio, source) as container:
        video = _add_video(container, looks, settings)
        yield Output(container, video, AudioCopy(audio, container))


@contextmanager
def open_container(
    path: Path, unit: Fraction, audio: InputContainer, source: InputContainer
) -> Iterator[OutputContainer]:
    """Open an MP4 with the kept tags of `source` and no stream yet, exact in the time base `unit`."""
    options = {
        "movflags": "+faststart",
        "movie_timescale": str(_movie_timescale(unit, audio)),
        "video_track_timescale": str(unit.denominator),
    }
    try:
        with av.open(str(path.resolve()), "w", format="mp4", container_options=options) as container:
            container.metadata.update(
                {tag: source.metadata[tag] for tag in _KEPT_TAGS if tag in source.metadata}
            )
            yield container
    except av.FFmpegError as error:
        raise OutputMismatch(f"the output cannot be written: {error.strerror}") from error


def dress(context: VideoCodecContext, looks: Looks, settings: RenderSettings) -> None:
    """Tell an encoder what its frames look like and how to encode them."""
    first = looks.first
    context.width, context.height, context.pix_fmt = first.width, first.height, looks.pixel_format
    context.time_base = looks.time_base
    context.framerate = looks.frame_rate
    context.thread_count = settings.encoder_threads
    if looks.sample_aspect_ratio is not None:
        context.sample_aspect_ratio = looks.sample_aspect_ratio
    context.color_range = first.color_range
    context.color_primaries = first.color_primaries
    context.color_trc = first.color_trc
    context.colorspace = first.colorspace
    context.options = {
        "crf": str(settings.crf),
        "preset": settings.preset,
        # With two lookahead threads equal frames gave 16 different files in 150 runs; with one, one file.
        "x264-params": "lookahead-threads=1",
    }


def _add_video(container: OutputContainer, looks: Looks, settings: RenderSettings) -> VideoStream:
    video = container.add_stream("libx264", looks.frame_rate)
    dress(video.codec_context, looks, settings)
    video.set_display_matrix(looks.display_matrix)
    return video


def _movie_timescale(video: Fraction, audio: InputContainer) -> int:
    """Return a scale in which every stream starts on a whole tick; edit lists are written in it."""
    rates = [stream.time_base.denominator for stream in audio.streams.audio if stream.time_base]
    scale = math.lcm(video.denominator, *rates)
    # Past the field's width the video stays exact.
    return scale if scale <= _TIMESCALE_MAX else video.denominator
