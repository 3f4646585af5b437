"""Real videos, with what the detector finds in every frame as their pseudo-truth."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from benchmarks.leak.detector_cache import find_faces
from benchmarks.leak.ground_truth import TrueFace, TrueFrame, Truth
from benchmarks.leak.runs import Subject
from blur_container.geometry import Size, between
from blur_container.reading.side_data import display_matrix
from blur_container.reading.timestamps import presentation_time
from blur_container.reading.timestamps import time_base as time_base_of
from blur_container.reading.video import decoded_frames, open_source, video_stream
from blur_container.settings import TrackSettings
from blur_container.timing import Clock
from blur_container.tracking.association import associate
from chalicelib.contract.errors import FaceBlurError
from chalicelib.contract.faces import Box, Detection

_KINDS = (".mp4", ".mov", ".m4v", ".mkv", ".webm")
_CONFIDENCE_MIN = 50.0
# A face that the detector loses for up to this long was there all the time.
_GAP_MS = 300
_ONE_TRACK = TrackSettings(open_intervals=1.0)


def real_sources(folder: Path) -> list[Path]:
    """Return the videos in `folder`."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _KINDS)


def real_subject(cache: Path, source: Path) -> Subject | None:
    """Return a video with its pseudo-truth; print the reason and return None where it cannot be used."""
    # Two folders may contain videos of the same name.
    kept = cache / "real" / hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:12]
    try:
        truth = _truth(kept, source)
    except FaceBlurError as error:
        print(f"{source.name} is left out: {error}", flush=True)
        return None
    if truth is None:
        print(f"{source.name} is left out: it has a display matrix", flush=True)
        return None
    return Subject(source, truth, kept)


def _truth(cache: Path, source: Path) -> Truth | None:
    all_pts: list[int] = []
    with open_source(source) as container:
        stream = video_stream(container)
        time_base = time_base_of(stream)
        for frame in decoded_frames(container, stream, threads=2):
            if not all_pts and display_matrix(frame) is not None:
                return None
            all_pts.append(presentation_time(frame))
            size = Size(frame.width, frame.height)
    clock = Clock(all_pts[0], time_base)
    times_ms = [int(clock.ms(pts)) for pts in all_pts]
    detections = [
        Detection(time_ms, found.box, found.confidence)
        for time_ms, faces in zip(times_ms, find_faces(source, cache).frames, strict=True)
        for found in faces
        if found.confidence >= _CONFIDENCE_MIN
    ]
    faces = faces_between(detections, times_ms)
    frames = (TrueFrame(pts, tuple(faces[time_ms])) for pts, time_ms in zip(all_pts, times_ms, strict=True))
    return Truth(source.stem, "real", size, time_base, tuple(frames))


def faces_between(detections: list[Detection], times_ms: list[int]) -> defaultdict[int, list[TrueFace]]:
    """Return the faces at each of the ascending `times_ms`; short gaps of a face are filled evenly."""
    faces: defaultdict[int, list[TrueFace]] = defaultdict(list)
    for face, track in enumerate(associate(detections, _GAP_MS, _ONE_TRACK)):
        faces[track[0].time_ms].append(TrueFace(face, track[0].box))
        for earlier, later in pairwise(track):
            begin, end = (bisect_right(times_ms, seen.time_ms) for seen in (earlier, later))
            for time_ms in times_ms[begin:end]:
                faces[time_ms].append(TrueFace(face, _between(earlier, later, time_ms)))
    return faces


def _between(earlier: Detection, later: Detection, time_ms: int) -> Box:
    share = (time_ms - earlier.time_ms) / (later.time_ms - earlier.time_ms)
    return between(earlier.box, later.box, share)
