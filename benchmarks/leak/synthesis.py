"""Draw and encode the clips of the leak benchmark once, with a JSON file of their true faces beside each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.leak.ground_truth import TrueFace, TrueFrame, Truth
from benchmarks.leak.heads import Picture, draw_head, face_box
from benchmarks.leak.scenes import HEIGHT, WIDTH, Actor, Bar, Clip, Place, Shot, View
from blur_container.geometry import Size
from blur_container.reading.timestamps import time_base
from chalicelib.contract.faces import Box
from local_cloud.commands.demo_clip import picture_path, read_picture

# Part of the cache's path: raise it with every change to how clips are drawn.
VERSION = 1
_SEED = 20261124
_NOISE_LUMA = 2.5
_NOISE_FRAMES = 16
# How far the camera may see beyond the frame, by pan, shake and zoom, without a seam in the background.
_BORDER_PX = 560
_BAR_TEXTURE = "brick"


@dataclass(frozen=True)
class _Background:
    """A picture of scikit-image, its scale, and gains for red, green and blue."""

    file: str
    scale: float
    gains: tuple[float, float, float]


_BACKGROUNDS = {
    "brick": _Background("brick.png", 1.5, (0.95, 0.65, 0.5)),
    "grass": _Background("grass.png", 1.5, (0.7, 1.0, 0.6)),
    "gravel": _Background("gravel.png", 1.5, (0.8, 0.8, 0.9)),
    "coffee": _Background("coffee.png", 2.2, (1.0, 1.0, 1.0)),
    "rocket": _Background("rocket.jpg", 2.2, (1.0, 1.0, 1.0)),
    "hubble": _Background("hubble_deep_field.jpg", 1.6, (1.0, 1.0, 1.0)),
}


def clip_path(folder: Path, clip: Clip) -> Path:
    """Return the path of `clip` in the cache `folder`."""
    return folder / f"v{VERSION}" / f"{clip.name}.mp4"


def make_clip(folder: Path, clip: Clip) -> Truth:
    """Return the ground truth of `clip`; draw and encode it unless it is in the cache `folder`."""
    path = clip_path(folder, clip)
    beside = path.with_suffix(".json")
    if not (path.exists() and beside.exists()):
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        truth = _write(unfinished, clip)
        beside.write_text(truth.to_json(), encoding="utf-8")
        unfinished.replace(path)
    return Truth.read(beside)


def _write(path: Path, clip: Clip) -> Truth:
    faces: list[tuple[TrueFace, ...]] = []
    with av.open(str(path), "w", format="mp4") as container:
        video: Any = container.add_stream(
            "libx264", clip.rate, {"preset": "veryfast", "crf": "20", "g": "60"}
        )
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, picture, seen in _pictures(clip):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, 1 / clip.rate
            container.mux(video.encode(frame))
            faces.append(seen)
        container.mux(video.encode(None))
    unit, all_pts = _times(path)
    frames = tuple(TrueFrame(pts, seen) for pts, seen in zip(all_pts, faces, strict=True))
    return Truth(clip.name, clip.kind, Size(WIDTH, HEIGHT), unit, frames)


def _times(path: Path) -> tuple[Fraction, list[int]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return time_base(stream), sorted(
            packet.pts for packet in container.demux(stream) if packet.pts is not None
        )


def _pictures(clip: Clip) -> Iterator[tuple[int, Picture, tuple[TrueFace, ...]]]:
    """Yield index, RGB picture and faces of every frame that is not left out."""
    noise, index, first_face = _noise(), 0, 0
    for shot in clip.shots:
        for number in range(round(shot.seconds * clip.rate)):
            if not (clip.missing_every and index % clip.missing_every == clip.missing_every - 1):
                picture, faces = _drawn(shot, float(number / clip.rate), first_face)
                noisy = picture + noise[index * 7 % _NOISE_FRAMES]
                yield index, np.clip(noisy, 0, 255).astype(np.uint8), faces
            index += 1
        first_face += len(shot.layers)


def _noise() -> list[NDArray[np.int16]]:
    random = np.random.default_rng(_SEED)
    shape = (HEIGHT, WIDTH, 1)
    return [np.round(random.normal(0, _NOISE_LUMA, shape)).astype(np.int16) for _ in range(_NOISE_FRAMES)]


def _drawn(shot: Shot, time_s: float, first_face: int) -> tuple[Picture, tuple[TrueFace, ...]]:
    view = shot.camera.view_at(time_s)
    picture = _background(shot.background, view)
    depth = np.zeros((HEIGHT, WIDTH), np.uint8)
    boxes: list[tuple[int, Box]] = []
    for layer, thing in enumerate(shot.layers, start=1):
        place = thing.place_at(time_s)
        if place is None:
            continue
        if isinstance(thing, Actor):
            draw_head(picture, depth, thing.head, view.seen(place), layer)
            boxes.append((layer, face_box(view.seen(place))))
        else:
            _draw_bar(picture, depth, thing, view.seen(place), layer)
    return picture, tuple(
        TrueFace(first_face + layer, box, _hidden(depth, box, layer)) for layer, box in boxes
    )


def _hidden(depth: NDArray[np.uint8], box: Box, layer: int) -> float:
    """Return the share of the box inside the frame that a later layer hides."""
    rows = slice(max(0, round(box.top * HEIGHT)), max(0, round(box.bottom * HEIGHT)))
    columns = slice(max(0, round(box.left * WIDTH)), max(0, round(box.right * WIDTH)))
    part = depth[rows, columns]
    return float(np.mean(part > layer)) if part.size else 0.0


def _background(name: str, view: View) -> Picture:
    """Return the frame-sized part of a background that the camera sees."""
    middle_x, middle_y = WIDTH / 2, HEIGHT / 2
    shift_x = middle_x - view.zoom * (middle_x + view.x + _BORDER_PX)
    shift_y = middle_y - view.zoom * (middle_y + view.y + _BORDER_PX)
    matrix = np.array([[view.zoom, 0, shift_x], [0, view.zoom, shift_y]])
    picture = cv2.warpAffine(_wall(name), matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(picture, np.uint8)


@cache
def _wall(name: str) -> Picture:
    """Return a background with its border on all sides, mirrored as often as needed to fill it."""
    asked = _BACKGROUNDS[name]
    part = cv2.resize(read_picture(picture_path(asked.file)), None, fx=asked.scale, fy=asked.scale)
    part = (part * asked.gains).clip(0, 255).astype(np.uint8)
    height, width = HEIGHT + 2 * _BORDER_PX, WIDTH + 2 * _BORDER_PX
    missing = (max(0, height - part.shape[0]), max(0, width - part.shape[1]))
    whole = np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), "symmetric")
    return np.asarray(whole[:height, :width], np.uint8)


def _draw_bar(picture: Picture, depth: NDArray[np.uint8], bar: Bar, place: Place, layer: int) -> None:
    # The camera's zoom is the ratio of the seen height to the height in the scene.
    half = bar.width * place.height / bar.place_at(place.time_s).height / 2
    left, right = max(0, round(place.x - half)), min(WIDTH, round(place.x + half))
    if left >= right:
        return
    begin = left - round(place.x - half)
    texture = _wall(_BAR_TEXTURE)[:HEIGHT, begin : begin + right - left]
    # In another colour than the same texture as background.
    picture[:, left:right] = texture[:, :, ::-1] // 4 * 3 + 40
    depth[:, left:right] = layer
