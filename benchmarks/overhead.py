"""Measure the pipeline's overhead: upload to output, less detection and render, on a 10 s clip at 720p.

Run it with `make bench`. Detection is timed by running the stand-in's detector alone on the same clip, the
render by the figure in the manifest; the rest is events, state machine, waits, process starts and transfer.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from blur_container.analysis.face_detector import FaceDetector
from chalicelib.contract.job import manifest_key
from chalicelib.contract.objects import SourceObject
from local_cloud.cloud import LocalCloud
from local_cloud.commands.demo_clip import make_demo_clip
from local_cloud.rekognition_service.sampling import open_sampled
from local_cloud.settings import CloudSettings, RekognitionSettings

PROJECT = Path(__file__).resolve().parent.parent
RUNS = 5
_STRETCH = Fraction(5, 4)  # The demo clip lasts 8 s.
_POLL_S = 0.02
_GIVE_UP_S = 120
_REKOGNITION = RekognitionSettings()


@dataclass(frozen=True)
class Run:
    """Times of one upload in seconds: from upload to output, and the shares of detection and render."""

    total_s: float
    detection_s: float
    render_s: float

    @property
    def overhead_s(self) -> float:
        """Return the seconds that are neither detection nor render."""
        return self.total_s - self.detection_s - self.render_s


def main() -> None:
    """Print one line a run and the medians."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCloud(CloudSettings(detection="rekognition", rekognition=_REKOGNITION)) as cloud,
    ):
        clip = _ten_seconds(Path(folder))
        cloud.deploy(PROJECT)
        print("run            total s  detection s  render s  overhead s")
        runs = [_measure(cloud, clip, number) for number in range(RUNS + 1)]
    for number, run in enumerate(runs):
        _print(f"{number} {'(cold)' if number == 0 else '':8s}", run)
    warm = runs[1:]
    median = Run(
        statistics.median(run.total_s for run in warm),
        statistics.median(run.detection_s for run in warm),
        statistics.median(run.render_s for run in warm),
    )
    print(f"median overhead of {RUNS} warm runs: {statistics.median(run.overhead_s for run in warm):.2f} s")
    _print("median    ", median)


def _print(name: str, run: Run) -> None:
    figures = f"{run.total_s:11.2f} {run.detection_s:12.2f} {run.render_s:9.2f} {run.overhead_s:11.2f}"
    print(f"{name:10s}{figures}")


def _ten_seconds(folder: Path) -> Path:
    """Write the demo clip's video, slowed down to 10 s, into `folder`; return its path."""
    whole, slow = folder / "demo.mp4", folder / "ten-seconds.mp4"
    make_demo_clip(whole)
    with av.open(str(whole)) as source, av.open(str(slow), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.time_base = packet.time_base * _STRETCH
                packet.stream = stream
                target.mux(packet)
    return slow


def _measure(cloud: LocalCloud, clip: Path, number: int) -> Run:
    alone_s = detection_s(clip)
    s3, key = cloud.client("s3"), f"bench/{number}.mp4"
    begin_s = time.monotonic()
    s3.upload_file(str(clip), cloud.buckets.input, key)
    manifest = wait_for_manifest(cloud, key)
    total_s = time.monotonic() - begin_s
    return Run(total_s, alone_s, float(manifest["steps"]["render"]["seconds"]))


def detection_s(clip: Path) -> float:
    """Return the seconds that the stand-in's detector takes for `clip`."""
    begin_s = time.monotonic()
    detector = FaceDetector()
    with open_sampled(clip) as video:
        for sample in video.samples(_REKOGNITION.sampling_ms, _REKOGNITION.long_side):
            detector.detect(sample.picture)
    return time.monotonic() - begin_s


def wait_for_manifest(cloud: LocalCloud, key: str) -> dict[str, Any]:
    """Return the manifest of `key` once it is confirmed, which is the pipeline's last write.

    Raise TimeoutError after two minutes.
    """
    s3, begin_s = cloud.client("s3"), time.monotonic()
    name = manifest_key(SourceObject(cloud.buckets.input, key, None, "", "", 0))
    while time.monotonic() - begin_s < _GIVE_UP_S:
        try:
            body = s3.get_object(Bucket=cloud.buckets.output, Key=name)["Body"].read()
        except s3.exceptions.NoSuchKey:
            time.sleep(_POLL_S)
            continue
        manifest: dict[str, Any] = json.loads(body)
        if manifest["status"] != "DELIVERING":
            return manifest
        time.sleep(_POLL_S)
    raise TimeoutError(f"{name} is missing or not confirmed after {_GIVE_UP_S} s")


if __name__ == "__main__":
    main()
