"""Measure the leak in output files: send clips with known faces through the local cloud.

`python -m benchmarks.leak.output [--sampling-ms 200] [--kinds slow,fast]`. Unlike `benchmarks.leak` this
compares pixels: the stand-in detects the faces, the container blurs them, and the figures say how much of the
detail inside each true face is still in the output file.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from benchmarks.leak.clip_list import CLIPS, KINDS
from benchmarks.leak.ground_truth import TrueFace, Truth
from benchmarks.leak.metrics import HALF, NEARLY_ALL
from benchmarks.leak.scenes import Clip
from benchmarks.leak.synthesis import clip_path, make_clip
from benchmarks.overhead import PROJECT, wait_for_manifest
from local_cloud.cloud import LocalCloud
from local_cloud.rekognition_service.api import RekognitionSettings
from local_cloud.settings import CloudSettings

_FOLDER = Path("out", "leak")
_BLOCK_PX = 8
# Light and shade survive a mosaic; the detail by which a face is recognised is finer than this.
_FINE_SIGMA_PX = 2.0
# Standard deviation of luma: blocks with less detail look the same, blurred or not.
_DETAIL_MIN = 2.5
# Correlation of a block's detail before and after: above it after an encoder, near 0 after a mosaic.
_SURVIVES = 0.7

Luma = NDArray[np.float32]


def main() -> None:
    """Print a row for each kind of motion, and one for all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sampling-ms", type=int, default=200, help="sampling interval of the Rekognition stand-in"
    )
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds of motion, comma-separated")
    asked = parser.parse_args()
    clips = [clip for clip in CLIPS if clip.kind in asked.kinds.split(",")]
    rows: dict[str, list[float]] = {}
    rekognition = RekognitionSettings(sampling_ms=asked.sampling_ms)
    with (
        LocalCloud(CloudSettings(detection="rekognition", rekognition=rekognition)) as cloud,
        tempfile.TemporaryDirectory() as folder,
    ):
        cloud.deploy(PROJECT)
        for clip in clips:
            truth = make_clip(_FOLDER, clip)
            output = _blurred(cloud, clip, Path(folder))
            rows.setdefault(clip.kind, []).extend(surviving(truth, clip_path(_FOLDER, clip), output))
    print(f"outputs of the local cloud, sampled every {asked.sampling_ms} ms, {len(clips)} clips")
    print(f"{'kind':14s}{'faces':>7s}  5 % uncovered  50 % uncovered      worst")
    for kind, shares in [*rows.items(), ("all", [share for ones in rows.values() for share in ones])]:
        print(_row(kind, shares))


def _blurred(cloud: LocalCloud, clip: Clip, folder: Path) -> Path:
    s3, key = cloud.client("s3"), f"{clip.name}.mp4"
    s3.upload_file(str(clip_path(_FOLDER, clip)), cloud.buckets.input, key)
    wait_for_manifest(cloud, key)
    output = folder / key
    output.write_bytes(s3.get_object(Bucket=cloud.buckets.output, Key=key)["Body"].read())
    return output


def surviving(truth: Truth, source: Path, output: Path) -> Iterator[float]:
    """Yield the recognisable share of the detailed blocks of each true face in each frame."""
    with av.open(str(source)) as before, av.open(str(output)) as after:
        for frame, old, new in zip(truth.frames, before.decode(video=0), after.decode(video=0), strict=True):
            if (frame.pts, old.pts) != (old.pts, new.pts):
                raise ValueError(f"{output.name} shows pts {new.pts} where {source.name} shows {frame.pts}")
            one, other = (_detail(picture) for picture in (old, new))
            yield from (uncovered_share(one, other, face) for face in frame.faces if face.counts)


def _detail(frame: VideoFrame) -> Luma:
    luma = np.asarray(frame.to_ndarray(format="gray"), np.float32)
    return luma - np.asarray(cv2.GaussianBlur(luma, (0, 0), _FINE_SIGMA_PX), np.float32)


def uncovered_share(before: Luma, after: Luma, face: TrueFace) -> float:
    """Return the share of a face's detailed blocks that survive in the output; 0 if it has no detail."""
    height, width = before.shape
    box = face.box
    top, bottom = max(0, round(box.top * height)), min(height, round(box.bottom * height))
    left, right = max(0, round(box.left * width)), min(width, round(box.right * width))
    detail = survived = 0
    for row in range(top, bottom - _BLOCK_PX + 1, _BLOCK_PX):
        for column in range(left, right - _BLOCK_PX + 1, _BLOCK_PX):
            place = slice(row, row + _BLOCK_PX), slice(column, column + _BLOCK_PX)
            one, other = before[place], after[place]
            if one.std() >= _DETAIL_MIN:
                detail += 1
                lengths = float(cv2.norm(one) * cv2.norm(other))
                survived += lengths > 0 and float(np.vdot(one, other)) / lengths >= _SURVIVES
    return survived / detail if detail else 0.0


def _row(kind: str, shares: list[float]) -> str:
    values = np.array(shares)
    nearly, half = ((values > 1 - least).mean() * 100 for least in (NEARLY_ALL, HALF))
    return f"{kind:14s}{len(values):7d}{nearly:13.2f} %{half:14.2f} %{values.max() * 100:9.0f} %"


if __name__ == "__main__":
    main()
