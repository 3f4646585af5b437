"""Compare outputs with their source and with each other, frame by frame, and print figures as JSON.

`python -m benchmarks.scale.compare SOURCE FACES WHOLE OTHER...`; all arguments are files.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from bisect import bisect_left
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from chalicelib.contract.faces import FacesDocument

Luma = NDArray[np.uint8]

_BLOCK_PX = 16
_PEAK = 255
# No mask is farther from a detection in time: three links of 2.5 intervals, and the hold.
_NEAR_MS = 4500


@dataclass
class _Sums:
    """Squared errors of luma, summed over all frames [0] and over frames far from any face [1]."""

    squared: list[float] = field(default_factory=lambda: [0.0, 0.0])
    pixels: list[int] = field(default_factory=lambda: [0, 0])
    block_max: float = 0.0

    def add(self, source: Luma, output: Luma, *, has_faces: bool) -> None:
        error = float(cv2.norm(source, output, cv2.NORM_L2SQR))
        for kind in (0,) if has_faces else (0, 1):
            self.squared[kind] += error
            self.pixels[kind] += source.size

    def psnr_db(self, kind: int) -> float:
        if not self.pixels[kind]:
            return math.nan
        mean = self.squared[kind] / self.pixels[kind]
        return 10 * math.log10(_PEAK**2 / mean) if mean else math.inf


def compare(source: Path, faces: FacesDocument, outputs: list[Path]) -> list[dict[str, Any]]:
    """Return the table's figures for each output; blocks are compared with those of the first output.

    Raise ValueError where frames of the files differ in time.
    """
    times_ms = [face.time_ms for face in faces.detections]
    sums = [_Sums() for _ in outputs]
    av.logging.set_level(av.logging.WARNING)
    with av.logging.Capture(local=False) as warnings, ExitStack() as stack:
        decoded = [_frames(path, stack) for path in (source, *outputs)]
        for frames in zip(*decoded, strict=True):
            if len({frame.pts * frame.time_base for frame in frames}) != 1:
                raise ValueError(f"frames are shown at different times: {[frame.pts for frame in frames]}")
            original, *lumas = map(_luma, frames)
            moment_ms = float(frames[0].pts * frames[0].time_base) * 1000
            has_faces = _is_near(times_ms, moment_ms)
            for number, luma in enumerate(lumas):
                sums[number].add(original, luma, has_faces=has_faces)
                sums[number].block_max = max(sums[number].block_max, _block_difference(lumas[0], luma))
    sound = _sound(source)
    return [
        {
            "psnr_db": one.psnr_db(0),
            "psnr_without_faces_db": one.psnr_db(1),
            "block_max": one.block_max,
            "sound_equal": _sound(path) == sound,
            "warnings": len(warnings),
        }
        for one, path in zip(sums, outputs, strict=True)
    ]


def _frames(path: Path, stack: ExitStack) -> Any:
    container = stack.enter_context(av.open(str(path)))
    stream = container.streams.video[0]
    stream.codec_context.options = {"err_detect": "explode"}
    return container.decode(stream)


def _luma(frame: VideoFrame) -> Luma:
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


def _is_near(times_ms: list[int], moment_ms: float) -> bool:
    first = bisect_left(times_ms, moment_ms - _NEAR_MS)
    return first < len(times_ms) and times_ms[first] <= moment_ms + _NEAR_MS


def _block_difference(one: Luma, other: Luma) -> float:
    """Return the largest difference between means of blocks at the same place, in steps of luma."""
    size = one.shape[1] // _BLOCK_PX, one.shape[0] // _BLOCK_PX
    means = [cv2.resize(luma, size, interpolation=cv2.INTER_AREA) for luma in (one, other)]
    return float(cv2.absdiff(*means).max())


def _sound(path: Path) -> tuple[int, str]:
    """Return the number of audio packets, and a digest of their times and bytes."""
    digest, count = hashlib.sha256(), 0
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.audio[0]):
            if packet.size:
                time_s = Fraction(packet.pts or 0) * (packet.time_base or 1)
                digest.update(f"{time_s} {packet.size} ".encode() + bytes(packet))
                count += 1
    return count, digest.hexdigest()


if __name__ == "__main__":
    asked = [Path(name) for name in sys.argv[1:]]
    print(json.dumps(compare(asked[0], FacesDocument.from_json(asked[1].read_text()), asked[2:])))
