"""Makes the demo clip of `make run`: an astronaut moves across a field of galaxies, with a quiet tune.

Both pictures are part of scikit-image and in the public domain: NASA's portrait of Eileen Collins and the
Hubble eXtreme Deep Field.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

FRAME_SIZE = (1280, 720)
FRAME_RATE = Fraction(30000, 1001)
FRAME_COUNT = 240
SOUND_RATE_HZ = 48000

# The face in the portrait, in its pixels: left, top, right, bottom.
PORTRAIT_FACE = (180, 64, 270, 178)
_PORTRAIT_SIDE = 512
_SKY_WIDTH = 1560
_SKY_TOP = 90


@dataclass(frozen=True)
class Position:
    """Position of the face at one time: centre in pixels of the frame, size relative to the portrait."""

    time_s: float
    x: float
    y: float
    scale: float


# Enters at the left, stops, moves right and grows, moves back and shrinks, leaves at the right.
_POSITIONS = (
    Position(0.0, -60, 300, 0.8),
    Position(1.6, 330, 270, 0.9),
    Position(2.6, 330, 270, 0.9),
    Position(4.2, 880, 300, 1.6),
    Position(5.0, 860, 310, 1.55),
    Position(6.1, 600, 330, 0.6),
    Position(7.9, 1350, 230, 0.8),
)


def make_demo_clip(path: Path) -> None:
    """Write the clip to `path`: eight seconds, 1280x720, H.264 with AAC in MP4."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAME_RATE, options={"preset": "superfast", "crf": "20"})
        video.width, video.height = FRAME_SIZE
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=SOUND_RATE_HZ)
        audio.layout = "stereo"
        for frame in _pictures():
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound = AudioFrame.from_ndarray(np.ascontiguousarray(_tune()), format="fltp", layout="stereo")
        sound.sample_rate, sound.pts, sound.time_base = SOUND_RATE_HZ, 0, Fraction(1, SOUND_RATE_HZ)
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def portrait_path() -> Path:
    """Return the path of the astronaut's portrait in scikit-image, which is not imported."""
    return picture_path("astronaut.png")


def picture_path(name: str) -> Path:
    """Return the path of the picture `name` in scikit-image; raise FileNotFoundError without scikit-image."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the demo's pictures are missing: pip install --no-deps scikit-image")
    return Path(spec.submodule_search_locations[0], "data", name)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return the picture as RGB, shape (height, width, 3)."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise FileNotFoundError(f"not a readable picture: {path}")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def position_at(time_s: float) -> Position:
    """Return the position at a time, interpolated between two given ones with a smooth start and stop."""
    earlier = max(
        (one for one in _POSITIONS if one.time_s <= time_s), default=_POSITIONS[0], key=lambda p: p.time_s
    )
    later = next((one for one in _POSITIONS if one.time_s > time_s), earlier)
    span_s = later.time_s - earlier.time_s
    share = (time_s - earlier.time_s) / span_s if span_s else 0.0
    eased = share * share * (3 - 2 * share)
    return Position(
        time_s,
        earlier.x + (later.x - earlier.x) * eased,
        earlier.y + (later.y - earlier.y) * eased,
        earlier.scale + (later.scale - earlier.scale) * eased,
    )


def _pictures() -> Iterator[VideoFrame]:
    sky, (figure, opacity) = _sky(), cut_out()
    for index in range(FRAME_COUNT):
        picture = sky[:, index : index + FRAME_SIZE[0]].copy()
        _draw(picture, figure, opacity, position_at(float(index / FRAME_RATE)))
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = index, 1 / FRAME_RATE
        yield frame


def _sky() -> NDArray[np.uint8]:
    """Return the background, wider than the frame: it scrolls by one pixel a frame."""
    whole = read_picture(picture_path("hubble_deep_field.jpg"))
    height = round(whole.shape[0] * _SKY_WIDTH / whole.shape[1])
    large = cv2.resize(whole, (_SKY_WIDTH, height), interpolation=cv2.INTER_CUBIC)
    part = large[_SKY_TOP : _SKY_TOP + FRAME_SIZE[1]]
    # Sharp and bright galaxies sometimes look like a face to the detector; grain would be half of the file.
    return np.asarray(cv2.convertScaleAbs(cv2.GaussianBlur(part, (0, 0), 1.2), alpha=0.6), np.uint8)


def cut_out() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the portrait, RGB, and its opacity, uint8 (512, 512), which is 0 outside the person."""
    portrait = read_picture(portrait_path())
    half = cv2.resize(portrait, (_PORTRAIT_SIDE // 2, _PORTRAIT_SIDE // 2), interpolation=cv2.INTER_AREA)
    person = _person_in(np.asarray(half, np.uint8))
    opacity = cv2.GaussianBlur(cv2.resize(person, (_PORTRAIT_SIDE, _PORTRAIT_SIDE)), (0, 0), 2.0)
    return portrait, _faded_below(np.asarray(opacity, np.uint8))


def _person_in(half: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return uint8 (256, 256): 255 where the portrait at half its size shows the person."""
    kinds = _sketch()
    whole = (0, 0, *half.shape[:2])  # Ignored: the sketch is the first guess.
    cv2.setRNGSeed(0)
    cv2.grabCut(half, kinds, whole, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(kinds, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8) * 255
    # Eroded by a pixel, so that no bright studio wall shows through her hair.
    return np.asarray(cv2.erode(inside, np.ones((2, 2), np.uint8)), np.uint8)


def _sketch() -> NDArray[np.uint8]:
    """Return a first guess of the person at half the portrait's size, in the values of cv2.grabCut."""
    kinds = np.full((_PORTRAIT_SIDE // 2, _PORTRAIT_SIDE // 2), cv2.GC_BGD, np.uint8)
    near = [(58, 0), (165, 0), (165, 90), (215, 150), (245, 256), (0, 256), (20, 170), (68, 110)]
    head = [(80, 60), (92, 10), (135, 10), (148, 60), (135, 95), (110, 110), (95, 95)]
    body = [(80, 120), (135, 95), (170, 120), (205, 160), (225, 256), (20, 256), (40, 165)]
    chest = [(80, 130), (110, 110), (150, 125), (180, 170), (190, 256), (60, 256), (60, 170)]
    cv2.fillPoly(kinds, [np.array(near)], cv2.GC_PR_BGD)
    cv2.fillPoly(kinds, [np.array(head), np.array(body)], cv2.GC_PR_FGD)
    cv2.fillPoly(kinds, [np.array(chest)], cv2.GC_FGD)
    cv2.ellipse(kinds, (112, 58), (26, 36), 0, 0, 360, cv2.GC_FGD, -1)
    cv2.ellipse(kinds, (105, 108), (43, 30), 35, 0, 360, cv2.GC_FGD, -1)
    # The wall beside the neck, left and right.
    cv2.line(kinds, (84, 67), (86, 72), cv2.GC_BGD, 2)
    cv2.line(kinds, (137, 70), (133, 80), cv2.GC_BGD, 3)
    return kinds


def _faded_below(opacity: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the opacity faded to 0 over the lowest 90 rows, where the portrait ends."""
    strength = np.clip((opacity.shape[0] - 1 - np.arange(opacity.shape[0])) / 90, 0, 1)
    return np.asarray(opacity * strength[:, None], np.uint8)


def _draw(
    picture: NDArray[np.uint8], figure: NDArray[np.uint8], opacity: NDArray[np.uint8], place: Position
) -> None:
    """Draw the figure into the picture, in place."""
    move_x = place.x - place.scale * (PORTRAIT_FACE[0] + PORTRAIT_FACE[2]) / 2
    move_y = place.y - place.scale * (PORTRAIT_FACE[1] + PORTRAIT_FACE[3]) / 2
    side = _PORTRAIT_SIDE * place.scale
    left, top = max(0, int(move_x)), max(0, int(move_y))
    right, bottom = min(FRAME_SIZE[0], int(move_x + side)), min(FRAME_SIZE[1], int(move_y + side))
    if left >= right or top >= bottom:
        return
    matrix = np.array([[place.scale, 0, move_x - left], [0, place.scale, move_y - top]], np.float32)
    size = (right - left, bottom - top)
    part = picture[top:bottom, left:right]
    share = cv2.warpAffine(opacity, matrix, size).astype(np.float32) / 255
    drawn = cv2.warpAffine(figure, matrix, size)
    part[:] = cv2.blendLinear(drawn, np.ascontiguousarray(part), share, 1 - share)


def _tune() -> NDArray[np.float32]:
    """Return the sound, float32 (2, samples): plucked notes that pan between left and right."""
    length = round(FRAME_COUNT / FRAME_RATE * SOUND_RATE_HZ)
    sound = np.zeros((2, length), np.float32)
    notes_hz = (220.0, 329.63, 440.0, 493.88, 554.37, 493.88, 440.0, 329.63)
    every = SOUND_RATE_HZ // 2
    for number, begin in enumerate(range(0, length, every)):
        times_s = np.arange(min(2 * every, length - begin)) / SOUND_RATE_HZ
        note = 0.2 * np.sin(2 * np.pi * notes_hz[number % len(notes_hz)] * times_s)
        note *= np.exp(-4 * times_s) * np.minimum(1, times_s / 0.01)
        pan = 0.5 + 0.3 * np.sin(number)
        sound[:, begin : begin + len(note)] += np.outer((1 - pan, pan), note)
    return sound
