"""Colours and samples: deep and HDR video stays so, or is mapped; nothing is flattened in silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from blur_container.rendering.report import RenderReport
from blur_container.settings import OutputCodec, RenderSettings
from blur_container.writing.color import BT709
from tests.checks import segmented
from tests.checks.readback import detail, shown_frames
from tests.checks.versions import needs_pyav_18
from tests.clips import Clip, Face, faces_document, make_clip

PQ, HLG = (1, 9, 16, 9), (1, 9, 18, 9)
MASTERING = (
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
)
DEEP = {"preset": "ultrafast", "crf": "12", "x265-params": "log-level=none"}
HDR = {**DEEP, "x265-params": f"log-level=none:{MASTERING}"}
GONE = 16.0  # Faces of the clips show 60 and more.
H264 = RenderSettings(codec=OutputCodec.H264)
# BT.2408: diffuse white at 203 cd/m2 has 58 % of the PQ signal, 75 % of HLG's.
WHITE = {16: 0.58, 18: 0.75}


def render(source: Path, clip: Clip, settings: RenderSettings | None = None) -> RenderReport:
    """Render `source` to `out.mp4` beside it, and verify that."""
    return segmented.render(source, faces_document(clip), settings or RenderSettings())


def first_frame(path: Path) -> VideoFrame:
    """Return the first frame of `path`."""
    with av.open(str(path)) as container:
        frame: VideoFrame = next(container.decode(video=0))
        return frame


def tags(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Return range, primaries, transfer and matrix."""
    return int(frame.color_range), int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace)


def light(frame: VideoFrame, kind: Type) -> bytes:
    """Return what a frame says of its mastering display, or of its light levels."""
    return bytes(cast("Mapping[Type, Any]", frame.side_data)[kind])


def hdr_clip(color: tuple[int, int, int, int]) -> Clip:
    """Return a clip of 10 bits with a face."""
    return Clip(
        [Face()],
        size=(160, 96),
        seconds=0.2,
        codec="libx265",
        pixel_format="yuv420p10le",
        color=color,
        options=HDR,
    )


@pytest.mark.parametrize("color", [PQ, HLG, (1, 1, 1, 1)], ids=["PQ", "HLG", "deep SDR"])
def test_deep_video_stays_deep(tmp_path: Path, color: tuple[int, int, int, int]) -> None:
    """10 bits, their tags and the mastering display come out as HEVC Main 10; faces are gone."""
    clip = hdr_clip(color)
    source = make_clip(tmp_path / "in.mp4", clip)

    report = render(source, clip)

    before, after = first_frame(source), first_frame(tmp_path / "out.mp4")
    assert (after.format.name, tags(after)) == ("yuv420p10le", color)
    assert [light(after, kind) for kind in (Type.MASTERING_DISPLAY_METADATA, Type.CONTENT_LIGHT_LEVEL)] == [
        light(before, kind) for kind in (Type.MASTERING_DISPLAY_METADATA, Type.CONTENT_LIGHT_LEVEL)
    ]
    assert detail(shown_frames(tmp_path / "out.mp4")[0].luma, clip.boxes(0)[0]) < GONE
    assert report.output_format.changes == ()


@pytest.mark.parametrize("frames", [1, 2])
def test_deep_video_of_few_frames_is_decoded_when_it_is_shown(tmp_path: Path, frames: int) -> None:
    """x265 leaves the dts of such a video to chance; no frame of it is reordered."""
    clip = replace(hdr_clip(HLG), seconds=frames / 30)
    camera = replace(clip, codec="prores_ks", pixel_format="yuv422p10le", options={})

    render(make_clip(tmp_path / "in.mov", camera), clip)

    with av.open(str(tmp_path / "out.mp4")) as container:
        times = [(packet.pts, packet.dts) for packet in container.demux(video=0) if packet.size]
    assert len(times) == frames
    assert all(pts == dts for pts, dts in times)


def test_deep_output_is_what_apple_plays(tmp_path: Path) -> None:
    """The parameter sets stand in the header, and the track is named for that."""
    clip = hdr_clip(PQ)

    render(make_clip(tmp_path / "in.mp4", clip), clip)

    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.codec_tag, context.profile) == ("hevc", "hvc1", "Main 10")


def grey_hdr(path: Path, transfer: int, share: float) -> Path:
    """Write three frames that are grey all over, at `share` of the signal."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx265", rate=25, options=DEEP)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        context = stream.codec_context
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = (
            1,
            9,
            transfer,
            9,
        )
        frame = VideoFrame(64, 64, "yuv420p10le")
        for plane, value in zip(frame.planes, (round(64 + 876 * share), 512, 512), strict=True):
            samples = np.full(plane.buffer_size // 2, value, np.uint16)
            plane.update(samples.tobytes())
        frame.time_base = Fraction(1, 25)
        # Three: x265 leaves the dts of fewer frames to chance.
        for frame.pts in range(3):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@needs_pyav_18
@pytest.mark.parametrize("transfer", [16, 18], ids=["PQ", "HLG"])
def test_white_stays_white_where_hdr_is_mapped(tmp_path: Path, transfer: int) -> None:
    """H.264 shows diffuse white brighter than HDR's signal has it: read as SDR it would be grey."""
    source = grey_hdr(tmp_path / "in.mp4", transfer, WHITE[transfer])

    report = render(source, Clip(), H264)

    frame = first_frame(tmp_path / "out.mp4")
    white = float(frame.to_ndarray(format="gray").mean()) / 255
    assert tags(frame) == (BT709.range, BT709.primaries, BT709.transfer, BT709.matrix)
    assert white > WHITE[transfer] + 0.05
    assert report.output_format.changes[0].startswith("tone-mapped from")


@pytest.mark.parametrize(
    ("clip", "form", "changes"),
    [
        pytest.param(
            Clip(pixel_format="yuv444p", color=(2, 1, 1, 1)),
            "yuvj420p",
            ("yuvj444p became 4:2:0",),
            id="4:4:4",
        ),
        pytest.param(
            Clip(codec="mjpeg", pixel_format="yuvj422p", options={"qmin": "2", "qmax": "3"}),
            "yuvj420p",
            ("yuvj422p became 4:2:0",),
            id="4:2:2",
        ),
        pytest.param(
            Clip(codec="prores_ks", pixel_format="yuv422p10le", options={}),
            "yuv420p10le",
            ("yuv422p10le became 4:2:0",),
            id="ProRes",
        ),
        pytest.param(
            Clip(codec="prores_ks", pixel_format="yuva444p10le", options={}),
            "yuv420p10le",
            ("12 bits a sample became 10", "yuva444p12le became 4:2:0", "transparency was dropped"),
            id="ProRes with alpha",
        ),
        pytest.param(
            Clip(codec="libx265", pixel_format="gbrp", options=DEEP),
            "yuv420p",
            ("gbrp became 4:2:0",),
            id="RGB",
        ),
        pytest.param(Clip(pixel_format="gray"), "yuv420p", (), id="grey"),
    ],
)
def test_other_samples_become_planar_and_the_report_says_so(
    tmp_path: Path, clip: Clip, form: str, changes: tuple[str, ...]
) -> None:
    """Depth and range stay; the picture is the same to the eye."""
    source = make_clip(tmp_path / "in.mov", clip)

    report = render(source, Clip())

    before, after = (
        frame.to_ndarray(format="rgb24").astype(np.float64)
        for frame in (first_frame(source), first_frame(tmp_path / "out.mp4"))
    )
    assert first_frame(tmp_path / "out.mp4").format.name == form
    assert report.output_format.changes == changes
    assert float(np.abs(before - after).mean()) < 2.5


@pytest.mark.parametrize("settings", [RenderSettings(), H264], ids=["auto", "h264"])
def test_odd_size_is_padded_with_its_own_edge(tmp_path: Path, settings: RenderSettings) -> None:
    """4:2:0 has no half chroma sample: nothing is cut, and a face at the edge is not repeated beside it."""
    face = Face(left=0.9, top=0.8, width=0.2, height=0.3)
    clip = Clip(
        [face], size=(161, 91), seconds=0.2, codec="libvpx-vp9", options={"crf": "8", "deadline": "realtime"}
    )
    source = make_clip(tmp_path / "in.webm", clip)

    report = render(source, clip, settings)

    luma = shown_frames(tmp_path / "out.mp4")[0].luma
    assert luma.shape == (92, 162)
    assert np.abs(luma[:, 161].astype(int) - luma[:, 160]).mean() < 3
    assert detail(luma, clip.boxes(0)[0]) < GONE
    assert report.output_format.changes == ("padded from 161x91 to 162x92",)
