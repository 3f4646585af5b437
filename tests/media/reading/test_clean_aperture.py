"""What hides or turns pictures: a clean aperture, a matrix that is a little off, side data nobody names."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from blur_container.settings import RenderSettings
from chalicelib.contract.errors import UnsupportedVideo
from chalicelib.contract.faces import Box, Detection
from tests.checks.readback import detail, shown_frames, video_times
from tests.checks.segmented import WAYS, render
from tests.clips import Clip, Face, document_of, faces_document, make_clip

GONE = 14.0  # Faces of the clips show 60 and more.
GROUPS = {"preset": "veryfast", "crf": "10", "x264-params": "keyint=15:min-keyint=15:scenecut=0"}
CLIP = Clip(faces=[Face(left=0.3, speed_x=0.1)], size=(320, 240), seconds=2, options=GROUPS)
SETTINGS = RenderSettings()
SMART = RenderSettings(smart_render=True)
# Of the coded frame: left, top, width, height.
APERTURE = (40, 30, 240, 180)
_MS_OF_FRAME = 1000 / 30


def with_clap(path: Path, aperture: tuple[int, int, int, int], coded: tuple[int, int]) -> Path:
    """Put a `clap` box into the first sample description of `path`, whose index stands at its end."""
    left, top, width, height = aperture
    across, down = 2 * left + width - coded[0], 2 * top + height - coded[1]
    box = struct.pack(">I4s8i", 40, b"clap", width, 1, height, 1, across, 2, down, 2)
    content = path.read_bytes()
    place = content.index(b"moov") - 4
    moov = bytearray(content[place:])
    entry = next(moov.find(name) for name in (b"avc1", b"hev1", b"hvc1", b"mp4v") if moov.find(name) > 0) - 4
    end = entry + int.from_bytes(moov[entry : entry + 4], "big")
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        begin = moov.index(name) - 4
        moov[begin : begin + 4] = (int.from_bytes(moov[begin : begin + 4], "big") + len(box)).to_bytes(
            4, "big"
        )
    moov[entry : entry + 4] = (end - entry + len(box)).to_bytes(4, "big")
    moov[end:end] = box
    path.write_bytes(content[:place] + bytes(moov))
    return path


def inside(box: Box, coded: tuple[int, int], aperture: tuple[int, int, int, int] = APERTURE) -> Box:
    """Return `box`, in fractions of the coded frame, in fractions of the aperture."""
    left, top, width, height = aperture
    return Box(
        (box.left * coded[0] - left) / width,
        (box.top * coded[1] - top) / height,
        box.width * coded[0] / width,
        box.height * coded[1] / height,
    )


def worst_detail(path: Path, clip: Clip = CLIP) -> float:
    """Return the most detail left in any face, in frames of which the aperture is left."""
    pairs = zip(clip.times, shown_frames(path), strict=True)
    return max(detail(frame.luma, inside(box, clip.size)) for pts, frame in pairs for box in clip.boxes(pts))


CODECS = {
    "H.264 in MP4": ("in.mp4", CLIP),
    "H.264 in MOV": ("in.mov", CLIP),
    "MPEG-4 in MP4": ("in.mp4", replace(CLIP, codec="mpeg4", options={"g": "12", "b": "4M"})),
    "HEVC in MP4": (
        "in.mp4",
        replace(
            CLIP,
            codec="libx265",
            options={"x265-params": "keyint=15:min-keyint=15:bframes=0:log-level=none", "crf": "12"},
        ),
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("settings", [SETTINGS, SMART], ids=["full", "smart"])
@pytest.mark.parametrize("kind", CODECS)
def test_what_a_clean_aperture_hides_is_cut_off(
    tmp_path: Path, kind: str, settings: RenderSettings, way: str
) -> None:
    """A border that players hid is not there to come back; faces are covered where they are."""
    name, clip = CODECS[kind]
    source = with_clap(make_clip(tmp_path / name, clip), APERTURE, clip.size)

    report = WAYS[way](source, faces_document(clip), settings)

    assert {frame.luma.shape for frame in shown_frames(tmp_path / "out.mp4")} == {(180, 240)}
    assert video_times(tmp_path / "out.mp4") == video_times(source)
    assert worst_detail(tmp_path / "out.mp4") < GONE
    assert report.output_format.changes == ("cut from 320x240 to 240x180, its clean aperture",)


def test_boxes_of_the_clean_aperture_are_used_as_such(tmp_path: Path) -> None:
    """A detector that reports the size of the aperture saw no more: its boxes count in that."""
    source = with_clap(make_clip(tmp_path / "in.mp4", CLIP), APERTURE, CLIP.size)
    seen = [
        Detection(face.time_ms, inside(face.box, CLIP.size), face.confidence)
        for face in faces_document(CLIP).detections
    ]

    render(source, document_of(seen, (240, 180)))

    assert worst_detail(tmp_path / "out.mp4") < GONE


def test_boxes_of_neither_frame_are_refused(tmp_path: Path) -> None:
    """Nobody knows what they are fractions of."""
    source = with_clap(make_clip(tmp_path / "in.mp4", CLIP), APERTURE, CLIP.size)

    with pytest.raises(UnsupportedVideo, match="neither the coded frame, 320x240, nor its clean aperture"):
        render(source, document_of([], (300, 220)))


def test_an_aperture_of_odd_pixels_is_cut_inwards(tmp_path: Path) -> None:
    """4:2:0 has no half sample of chroma: one more row goes, and none of the border stays."""
    aperture = (41, 31, 237, 177)
    source = with_clap(make_clip(tmp_path / "in.mp4", CLIP), aperture, CLIP.size)

    report = render(source, faces_document(CLIP))

    assert (report.output_format.size.width, report.output_format.size.height) == (236, 176)


def test_the_crop_of_matroska_is_a_clean_aperture_too(tmp_path: Path) -> None:
    """PixelCrop elements say the same as clap."""
    plain = with_clap(make_clip(tmp_path / "plain.mp4", CLIP), APERTURE, CLIP.size)
    source = tmp_path / "in.mkv"
    with av.open(str(plain)) as whole, av.open(str(source), "w") as container:
        twin = container.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            packet.stream = twin
            container.mux([packet] if packet.size else [])

    render(source, faces_document(CLIP))

    assert worst_detail(tmp_path / "out.mp4") < GONE


UNIT = 65536
NEARLY = {
    "quarter": (52, UNIT, 0, -UNIT, 52, 0, 240 << 16, 0, 1 << 30),
    "three quarters": (-3, -UNIT, 0, UNIT, 1, 0, 0, 320 << 16, 1 << 30),
    "half": (-UNIT, 105, 0, -104, -UNIT, 0, 320 << 16, 240 << 16, 1 << 30),
    "none": (UNIT, 1, 0, -1, UNIT - 1, 0, 0, 0, 1 << 30),
}


def with_matrix(path: Path, matrix: tuple[int, ...]) -> Path:
    """Write `matrix` into the track header of `path`."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    content[place : place + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["in.mp4", "in.mov"])
@pytest.mark.parametrize("turn", NEARLY)
def test_a_matrix_that_is_nearly_a_quarter_turn_is_one(
    tmp_path: Path, turn: str, name: str, way: str
) -> None:
    """A display matrix near a quarter turn is treated as one, and copied unchanged."""
    source = with_matrix(make_clip(tmp_path / name, CLIP), NEARLY[turn])
    coded = [
        Detection(round(pts * _MS_OF_FRAME), box, 99.0) for pts in CLIP.times[::5] for box in CLIP.boxes(pts)
    ]
    turned = [replace(face, box=displayed(face.box, turn)) for face in coded]
    size = (240, 320) if "quarter" in turn else (320, 240)

    WAYS[way](source, document_of(turned, size))

    before, after = coded_frames(source), coded_frames(tmp_path / "out.mp4")
    assert after[0][1] == before[0][1]
    pairs = zip(CLIP.times, after, strict=True)
    assert max(detail(luma, box) for pts, (luma, _) in pairs for box in CLIP.boxes(pts)) < GONE


def displayed(box: Box, turn: str) -> Box:
    """Return `box` of the coded frame as players turn it."""
    right, bottom = 1 - box.left - box.width, 1 - box.top - box.height
    places = {
        "quarter": Box(bottom, box.left, box.height, box.width),
        "three quarters": Box(box.top, right, box.height, box.width),
        "half": Box(right, bottom, box.width, box.height),
        "none": box,
    }
    return places[turn]


def coded_frames(path: Path) -> list[tuple[Any, tuple[int, ...]]]:
    """Return luma and display matrix of all frames, as they are coded."""
    with av.open(str(path)) as container:
        return [
            (
                frame.to_ndarray(format="gray"),
                tuple(memoryview(frame.side_data["DISPLAYMATRIX"]).cast("B").cast("i")),
            )
            for frame in container.decode(video=0)
        ]


# A TIFF of one field in its directory: the orientation of the camera, 1 for upright and 6 for a quarter.
def exif(orientation: int) -> bytes:
    """Return an APP1 segment of JPEG."""
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff


@pytest.mark.parametrize(
    ("name", "frames"), [("in.mov", slice(None)), ("in.avi", slice(None)), ("in.mkv", slice(20, None))]
)
def test_side_data_without_a_name_does_not_matter(tmp_path: Path, name: str, frames: slice) -> None:
    """EXIF in the pictures of Motion JPEG, in all or in some, is more than PyAV can name."""
    clip = replace(CLIP, codec="mjpeg", pixel_format="yuvj420p", options={"qmin": "2", "qmax": "2"})
    source = tmp_path / name
    marked = range(len(clip.times))[frames]
    with (
        av.open(str(make_clip(tmp_path / "plain.mov", clip))) as plain,
        av.open(str(source), "w") as container,
    ):
        twin = container.add_stream_from_template(plain.streams.video[0])
        for number, packet in enumerate(packet for packet in plain.demux(video=0) if packet.size):
            content = bytes(packet)
            copy: Any = av.Packet(content[:2] + exif(1) * (number in marked) + content[2:])
            copy.pts = copy.dts = packet.pts
            copy.time_base, copy.stream, copy.is_keyframe = packet.time_base, twin, True
            container.mux_one(copy)

    report = render(source, faces_document(clip))

    pairs = zip(clip.times, shown_frames(tmp_path / "out.mp4"), strict=True)
    assert max(detail(frame.luma, box) for pts, frame in pairs for box in clip.boxes(pts)) < GONE
    assert report.output_format.changes == ()
