"""Time origins: the possible zeros of detection times, if the video stream begins later than its file.

Rekognition's times are "from the start of the video"; it is not documented whether that is the first frame,
the start of the file, where sound may begin earlier, or zero on the file's clock. If these differ, the masks
of all possible origins are united.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from blur_container.reading.timestamps import time_base
from blur_container.settings import RenderSettings
from blur_container.timing import MS_PER_S, Clock
from blur_container.tracking.tracklets import TrackletGraph, interval_ms_of, tracklet_graph_of
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.faces import Detection, FacesDocument
from chalicelib.contract.fields import shown, whole

# A smaller delay does not count: meanwhile a face moves within its margin.
_LITTLE_MS = 50
# The largest share of detections that may be outside the video.
_STRAY_SHARE = 0.1


@dataclass(frozen=True)
class TimeOrigins:
    """The possible zeros of detection times, in ms before the first frame."""

    offsets_ms: tuple[int, ...] = (0,)

    def tracklet_graphs(self, faces: FacesDocument, settings: RenderSettings) -> list[TrackletGraph]:
        """Return the tracklet graph of `faces` for each origin, all with the document's sampling interval."""
        interval_ms = interval_ms_of(faces, settings)
        return [
            tracklet_graph_of(shifted(faces, offset), settings, interval_ms) for offset in self.offsets_ms
        ]

    @classmethod
    def from_json(cls, value: Any) -> TimeOrigins:
        """Return the origins with the offsets in `value`; raise InvalidDocument if it is no list of them."""
        if not isinstance(value, list) or not value:
            raise InvalidDocument(f"offsets_ms must be a list that is not empty, not {shown(value)}")
        return cls(tuple(whole(offset, "offsets_ms") for offset in value))

    def in_words(self) -> list[str]:
        """Return a phrase for each origin."""
        return [
            f"{offset} ms before the first frame" if offset else "the first frame"
            for offset in self.offsets_ms
        ]


FROM_FIRST_FRAME = TimeOrigins()


def shifted(faces: FacesDocument, offset_ms: int) -> FacesDocument:
    """Return `faces` with `offset_ms` subtracted from their times, without those before `offset_ms`."""
    if not offset_ms:
        return faces
    later = (
        Detection(face.time_ms - offset_ms, face.box, face.confidence)
        for face in faces.detections
        if face.time_ms >= offset_ms
    )
    return replace(faces, detections=tuple(later))


def time_origins_of(
    stream: VideoStream, clock: Clock, faces: FacesDocument, settings: RenderSettings
) -> TimeOrigins:
    """Return the possible origins of the times in `faces` for `stream`, whose container is open.

    Raise InvalidDocument if too many detections are outside the video for every origin.
    """
    interval_ms = interval_ms_of(faces, settings)
    times_ms = [face.time_ms for face in faces.detections]
    end_ms = _end_ms(stream, clock)
    span_ms = -_lost_ms(stream, clock), end_ms
    offsets = _offsets_ms(stream, clock)
    possible = [
        offset for offset in offsets if _stray_share(times_ms, offset, span_ms, interval_ms) <= _STRAY_SHARE
    ]
    if not possible:
        raise InvalidDocument(_strayed(times_ms, end_ms))
    return TimeOrigins(tuple(possible))


def require_detections_within(
    faces: FacesDocument, origins: TimeOrigins, duration_ms: float, settings: RenderSettings
) -> None:
    """Raise InvalidDocument if too many detections are outside a video of `duration_ms` for every origin."""
    times_ms = [face.time_ms for face in faces.detections]
    interval_ms = interval_ms_of(faces, settings)
    span_ms = float("-inf"), duration_ms
    shares = (_stray_share(times_ms, offset, span_ms, interval_ms) for offset in origins.offsets_ms)
    if min(shares) > _STRAY_SHARE:
        raise InvalidDocument(_strayed(times_ms, duration_ms))


def _stray_share(
    times_ms: Sequence[int], offset_ms: int, span_ms: tuple[float, float | None], interval_ms: int
) -> float:
    """Return the share of detections outside `span_ms` by more than a sampling interval.

    `span_ms` counts from the first frame. Return 1 if no detection is in the video itself.
    """
    begin_ms, end_ms = span_ms
    if not times_ms:
        return 0.0
    latest_ms = float("inf") if end_ms is None else end_ms
    near = sum(begin_ms - interval_ms <= time - offset_ms <= latest_ms + interval_ms for time in times_ms)
    inside = any(0 <= time - offset_ms <= latest_ms for time in times_ms)
    return 1 - near / len(times_ms) if inside else 1.0


def _offsets_ms(stream: VideoStream, clock: Clock) -> list[int]:
    """Return the ms from each possible origin to the first frame; the frame itself comes first, with 0."""
    begin = clock.first_pts * clock.time_base
    file = Fraction(_container(stream).start_time or 0, av.time_base)
    offsets = [0]
    for start in (file, Fraction(0)):
        offset = round((begin - start) * MS_PER_S)
        if abs(offset) > _LITTLE_MS and offset not in offsets:
            offsets.append(offset)
    return offsets


def _lost_ms(stream: VideoStream, clock: Clock) -> float:
    """Return the ms of the video before the first frame that can be decoded.

    If it begins without a keyframe, Rekognition may have detected faces there.
    """
    lost = clock.first_pts - (clock.first_pts if stream.start_time is None else stream.start_time)
    return float(max(lost, 0) * clock.time_base * MS_PER_S)


def _end_ms(stream: VideoStream, clock: Clock) -> float | None:
    """Return the end of the video in ms from the first frame; None if it is not known beforehand.

    Recorders write lengths of zero, of a first part, or in the wrong unit: a length counts only if an index
    of all packets does not contradict it.
    """
    entries = stream.index_entries
    if not len(entries) or len(entries) != stream.frames:
        return None
    ends = []
    if stream.duration is not None and stream.start_time is not None:
        ends.append((stream.start_time + stream.duration) * time_base(stream))
    container = _container(stream)
    if container.duration is not None:
        ends.append(Fraction((container.start_time or 0) + container.duration, av.time_base))
    begin = clock.first_pts * clock.time_base
    end = max(ends, default=begin)
    # Of one frame no more is known than that it lasts.
    last = max(begin, entries[len(entries) - 1].timestamp * time_base(stream))
    return float((end - begin) * MS_PER_S) if end > last else None


def _container(stream: VideoStream) -> InputContainer:
    return cast("InputContainer", stream.container)


def _strayed(times_ms: Sequence[int], end_ms: float | None) -> str:
    last = "" if end_ms is None else f", which ends at {end_ms:.0f} ms"
    return (
        f"too few of {len(times_ms)} detections, from {min(times_ms)} to {max(times_ms)} ms, meet a frame of "
        f"the video{last}: they belong to another video, or their times have another origin"
    )
