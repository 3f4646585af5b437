"""The pictures the stand-in takes from a video: turned as displayed, one for each interval, none twice."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from local_cloud.rekognition_service.sampling import UnreadableVideo, open_sampled


def write_corner(path: Path, pts: list[int], *, turned_deg: int = 0) -> Path:
    """Write frames of 128 x 64 pixels in ticks of 10 ms, the upper left quarter white."""
    picture = np.zeros((64, 128, 3), np.uint8)
    picture[:32, :64] = 255
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=100)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        stream.set_display_rotation(turned_deg)
        for tick in pts:
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def white_quarter(picture: Any) -> tuple[str, str]:
    """Return where the brightest quarter of the picture lies."""
    rows = {"upper": picture[: len(picture) // 2].mean(), "lower": picture[len(picture) // 2 :].mean()}
    half = picture.shape[1] // 2
    columns = {"left": picture[:, :half].mean(), "right": picture[:, half:].mean()}
    return max(rows, key=lambda row: rows[row]), max(columns, key=lambda column: columns[column])


@pytest.mark.parametrize(
    ("turned_deg", "shape", "corner"),
    [
        (0, (64, 128, 3), ("upper", "left")),
        (90, (128, 64, 3), ("lower", "left")),
        (-90, (128, 64, 3), ("upper", "right")),
        (180, (64, 128, 3), ("lower", "right")),
    ],
)
def test_picture_is_turned_as_displayed(
    tmp_path: Path, turned_deg: int, shape: tuple[int, int, int], corner: tuple[str, str]
) -> None:
    """Degrees count counterclockwise; the metadata has the displayed size."""
    path = write_corner(tmp_path / "turned.mp4", [0, 1, 2], turned_deg=turned_deg)

    with open_sampled(path) as video:
        (sample,) = video.samples(500, 128)

    assert sample.picture.shape == shape
    assert white_quarter(sample.picture) == corner
    assert (video.metadata.height, video.metadata.width) == shape[:2]


@pytest.mark.parametrize(
    ("pts", "times_ms"),
    [
        ([0], [0]),
        ([0, 49, 50], [490, 500]),
        ([0, 1, 2, 180, 181], [20, 1810]),
        ([70, 110, 125], [400, 550]),
    ],
)
def test_last_frame_of_each_interval_is_taken(tmp_path: Path, pts: list[int], times_ms: list[int]) -> None:
    """Intervals of 500 ms begin at the first frame; one without frames has no sample."""
    path = write_corner(tmp_path / "clip.mp4", pts)

    with open_sampled(path) as video:
        samples = list(video.samples(500, 128))

    assert [sample.time_ms for sample in samples] == times_ms


def test_metadata_without_a_decoded_frame_is_refused(tmp_path: Path) -> None:
    """A video of which nothing decodes has no metadata."""
    path = write_corner(tmp_path / "clip.mp4", [0, 1, 2])

    with open_sampled(path) as video, pytest.raises(UnreadableVideo):
        _ = video.metadata
