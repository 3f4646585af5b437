"""Synthetic camera clips with a fixed seed: a panning textured scene, sensor noise, two moving faces."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from chalicelib.contract.faces import Box, Detection, FacesDocument, VideoDescription

FRAME_RATE = 30
# Phones begin a group of pictures every second.
GROUP_FRAMES = 30
_SEED = 20261123
BORDER_PX = 256
_NOISE_FRAMES = 16
_SOURCE_ID = "0" * 64
_GROUP_MS = 1000 * GROUP_FRAMES // FRAME_RATE
# A track covers its face for one interval more at both ends: with these times it stays inside its group.
_FIRST_MS, _LAST_MS, _INTERVAL_MS = 200, 800, 100

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """A clip to make; `noise` is the standard deviation of the sensor noise, in steps of luma."""

    width: int
    height: int
    seconds: int
    noise: float

    @property
    def groups(self) -> int:
        """Return the number of groups of pictures in the clip."""
        return self.seconds * FRAME_RATE // GROUP_FRAMES


def make_scene(path: Path, scene: Scene) -> None:
    """Write the clip of `scene` to `path`: 8-bit H.264, a closed group every second, no audio."""
    # About 10 Mbit/s at 720p, like a phone's encoder.
    options = {"preset": "veryfast", "crf": "18", "x264-params": f"keyint={GROUP_FRAMES}:scenecut=0"}
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=FRAME_RATE, options=options)
        video.width, video.height = scene.width, scene.height
        for index, picture in enumerate(_pictures(scene)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def faces_in(scene: Scene, groups: range) -> FacesDocument:
    """Return both faces, detected only in the middle of each of `groups`."""
    times = [
        group * _GROUP_MS + moment
        for group in groups
        for moment in range(_FIRST_MS, _LAST_MS + 1, _INTERVAL_MS)
    ]
    seen = [Detection(time_ms, box, 99.0) for time_ms in times for box in _boxes(time_ms / 1000)]
    return _document(scene, seen)


def faces_throughout(scene: Scene) -> FacesDocument:
    """Return both faces, detected twice a second as by Rekognition."""
    times = range(0, scene.seconds * 1000, 500)
    return _document(scene, [Detection(ms, box, 99.0) for ms in times for box in _boxes(ms / 1000)])


def _document(scene: Scene, seen: list[Detection]) -> FacesDocument:
    described = VideoDescription("h264", scene.seconds * 1000, float(FRAME_RATE), scene.width, scene.height)
    return FacesDocument(_SOURCE_ID, "job", described, tuple(seen))


def _boxes(time_s: float) -> list[Box]:
    """Return the boxes of both faces, a fifth of the height each, as they move to and fro."""
    share = abs((time_s / 10) % 2 - 1)
    return [Box(0.1 + 0.3 * share, 0.25, 0.12, 0.22), Box(0.8 - 0.25 * share, 0.5, 0.1, 0.2)]


def _pictures(scene: Scene) -> Any:
    random = np.random.default_rng(_SEED)
    wall = background((scene.width, scene.height), random)
    noise = [
        np.round(random.normal(0, scene.noise, (scene.height, scene.width, 1))).astype(np.int16)
        for _ in range(_NOISE_FRAMES)
    ]
    for index in range(scene.seconds * FRAME_RATE):
        pan = abs(index // 2 % (2 * BORDER_PX) - BORDER_PX)
        picture = wall[pan // 2 : pan // 2 + scene.height, pan : pan + scene.width].copy()
        for box in _boxes(index / FRAME_RATE):
            draw_head(picture, box)
        yield np.clip(picture + noise[index * 7 % _NOISE_FRAMES], 0, 255).astype(np.uint8)


def background(size: tuple[int, int], random: np.random.Generator) -> Picture:
    """Return a textured scene, BGR, larger than `size` (width, height) by `BORDER_PX` to pan over."""
    size = (size[0] + BORDER_PX, size[1] + BORDER_PX)
    coarse = random.integers(0, 255, (size[1] // 80, size[0] // 80, 3), dtype=np.uint8)
    fine = random.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    shapes = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    texture = cv2.GaussianBlur(fine, (0, 0), 1.5)
    return np.asarray(cv2.addWeighted(shapes, 0.6, texture, 0.4, 0), np.uint8)


def draw_head(picture: Picture, box: Box) -> None:
    """Draw an oval with eyes and a mouth into `picture` at `box`, in place."""
    height, width, _ = picture.shape
    centre = round((box.left + box.width / 2) * width), round((box.top + box.height / 2) * height)
    radius_x, radius_y = round(box.width * width / 2), round(box.height * height / 2)
    cv2.ellipse(picture, centre, (radius_x, radius_y), 0, 0, 360, (140, 170, 220), -1)
    for side in (-1, 1):
        eye = centre[0] + side * radius_x // 2, centre[1] - radius_y // 4
        cv2.circle(picture, eye, radius_x // 8, (60, 40, 30), -1)
    mouth = centre[0], centre[1] + radius_y // 2
    cv2.ellipse(picture, mouth, (radius_x // 2, radius_y // 6), 0, 0, 180, (60, 60, 160), -1)
