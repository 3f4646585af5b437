"""Make the smallest possible clip with a detectable face."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from local_cloud.commands.demo_clip import portrait_path

SIZE = (128, 96)
FRAME_MS = 40
_FRAMES, _RATE = 5, 1000 // FRAME_MS
_CROWD = (2, 5)  # Rows and columns of faces.
_HEAD = (slice(20, 230), slice(90, 370))  # Rows and columns of the portrait; same aspect ratio as SIZE.


def make_storm_clip(path: Path) -> Path:
    """Write 0.2 s of a frontal face, without sound, to `path`; return `path`."""
    return _write(path, _picture(), _FRAMES)


def make_crowd_clip(path: Path, faces: int) -> Path:
    """Write frames of 40 ms with ten faces each, `faces` in all, without sound, to `path`; return `path`."""
    return _write(path, np.tile(_picture(), (*_CROWD, 1)), faces // (_CROWD[0] * _CROWD[1]))


def _write(path: Path, picture: NDArray[np.uint8], frames: int) -> Path:
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=_RATE, options={"preset": "ultrafast"})
        assert isinstance(video, VideoStream)  # noqa: S101 what add_stream gives for a video codec
        (video.height, video.width), video.pix_fmt = picture.shape[:2], "yuv420p"
        for _ in range(frames):
            container.mux(video.encode(VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(video.encode(None))
    return path


def _picture() -> NDArray[np.uint8]:
    portrait = cv2.imread(str(portrait_path()))
    if portrait is None:
        raise FileNotFoundError(portrait_path())
    return np.asarray(cv2.resize(portrait[_HEAD], SIZE, interpolation=cv2.INTER_AREA), np.uint8)
