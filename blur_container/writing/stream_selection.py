"""Stream selection: keep the streams and tags that MP4 has a place for and that reveal nothing private."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from blur_container.reading.video_tracks import is_picture
from blur_container.writing import subtitles

# Tags name places, devices and people; these are known not to.
_KEPT_TAGS = frozenset({"creation_time", "title"})
_KEPT_STREAM_TAGS = frozenset({"language"})
# Tags of the container itself; the output has its own.
_STRUCTURE = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "handler_name", "vendor_id"}
)
_NAME_LENGTH = 64
_NAMES = 64
_TELEMETRY = "gopro met"


@dataclass(frozen=True)
class DroppedStream:
    """A stream of the source that is not in the output, and why."""

    kind: str
    codec: str
    reason: str


@dataclass(frozen=True)
class SelectedStreams:
    """The streams of `source` to keep beside the video, and the dropped ones."""

    source: InputContainer
    keep_metadata: bool
    sound: tuple[AudioStream, ...]
    text: tuple[SubtitleStream, ...]
    telemetry: tuple[Stream, ...]
    dropped: tuple[DroppedStream, ...]

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Return the kept streams, in the order of the output."""
        return (*self.sound, *self.text, *self.telemetry)

    def tags(self) -> dict[str, str]:
        """Return the tags of the source to keep."""
        return self._chosen(self.source.metadata, _KEPT_TAGS)

    def stream_tags(self, stream: Stream) -> dict[str, str]:
        """Return the tags of `stream` to keep."""
        return self._chosen(stream.metadata, _KEPT_STREAM_TAGS)

    def dropped_tags(self) -> tuple[str, ...]:
        """Return the names of all dropped tags, never their values."""
        if self.keep_metadata:
            return ()
        names = _other_names(self.source.metadata, _KEPT_TAGS)
        for stream in self.source.streams:
            names |= _other_names(stream.metadata, _KEPT_STREAM_TAGS)
        # Uploaders choose names too: they are cut, so that they cannot carry a text.
        return tuple(sorted(name[:_NAME_LENGTH] for name in names)[:_NAMES])

    def _chosen(self, metadata: Mapping[str, str], selected: frozenset[str]) -> dict[str, str]:
        return {
            name: value
            for name, value in metadata.items()
            if name in selected or (self.keep_metadata and name.lower() not in _STRUCTURE)
        }


def choose_streams(container: InputContainer, video: VideoStream, *, keep_metadata: bool) -> SelectedStreams:
    """Return the streams of `container` to keep beside `video`."""
    sound = tuple(stream for stream in container.streams.audio if _is_decodable(stream))
    text = tuple(
        stream
        for stream in container.streams.subtitles
        if _is_decodable(stream) and (subtitles.is_held_by_mp4(stream) or subtitles.is_text(stream))
    )
    telemetry = tuple(
        stream
        for stream in container.streams.data
        if keep_metadata and _TELEMETRY in stream.metadata.get("handler_name", "").lower()
    )
    selected = {stream.index for stream in (video, *sound, *text, *telemetry)}
    dropped = (_dropped(stream) for stream in container.streams if stream.index not in selected)
    return SelectedStreams(container, keep_metadata, sound, text, telemetry, tuple(dropped))


def _other_names(metadata: Iterable[str], selected: frozenset[str]) -> set[str]:
    return {name for name in metadata if name not in selected and name.lower() not in _STRUCTURE}


def _dropped(stream: Stream) -> DroppedStream:
    # PyAV returns None here where FFmpeg has no decoder, against its own type hints.
    known = stream.codec_context if cast("object", stream.codec_context) is not None else stream
    codec = getattr(known, "name", None)
    return DroppedStream(stream.type, str(codec or "unknown"), _reason(stream))


def _reason(stream: Stream) -> str:
    if stream.type == "video":
        return "a picture beside the video" if is_picture(stream) else "a second video"
    if stream.type == "audio":
        return "no decoder"
    if stream.type == "subtitle":
        return "no text that MP4 can hold"
    return "may say who, where or with what"


def _is_decodable(stream: Stream) -> bool:
    return cast("object", stream.codec_context) is not None
