"""Which of several video tracks is rendered: the one that players show, or none in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet
from av.stream import Disposition

from blur_container.rendering.progress import Steps
from blur_container.rendering.report import RenderReport, report_to_json
from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings, Settings
from chalicelib.contract.errors import UnsupportedVideo
from local_cloud.rekognition_service.sampling import UnreadableVideo, open_sampled
from tests.checks import segmented
from tests.checks.readback import worst_detail
from tests.checks.segmented import InSegments, ignore
from tests.clips import Clip, Face, faces_document, make_clip

GONE = 14.0  # Faces of the clips show 60 and more.
GROUPS = {"preset": "veryfast", "x264-params": "keyint=15:min-keyint=15:scenecut=0:bframes=0"}
VIDEO = Clip(faces=[Face(left=0.2, speed_x=0.2)], size=(320, 240), seconds=2, options=GROUPS)
OTHER = replace(VIDEO, faces=[Face(left=0.7, top=0.6)])
PREVIEW = replace(VIDEO, size=(160, 120), seconds=1 / 30)
SETTINGS = RenderSettings()


@dataclass(frozen=True)
class Track:
    """A clip as a track of a file, with the flag by which it is shown, or without."""

    clip: Clip
    shown: bool


def shown(clip: Clip) -> Track:
    """Return a track that is enabled, or default."""
    return Track(clip, shown=True)


def hidden(clip: Clip) -> Track:
    """Return a track that is not."""
    return Track(clip, shown=False)


def write_tracks(path: Path, tracks: Sequence[Track], options: dict[str, str] | None = None) -> Path:
    """Write all `tracks` into `path`, side by side."""
    suffix = ".webm" if tracks[0].clip.codec == "libvpx-vp9" else ".mp4"
    parts = [make_clip(path.with_name(f"track-{n}{suffix}"), track.clip) for n, track in enumerate(tracks)]
    with av.open(str(path), "w", container_options=options or {}) as container:
        twins: list[Any] = []
        for part, track in zip(parts, tracks, strict=True):
            with av.open(str(part)) as source:
                twin: Any = container.add_stream_from_template(source.streams.video[0])
            twin.disposition = Disposition.default if track.shown else Disposition(0)
            twins.append(twin)
        for packet, number in _interleaved(parts):
            packet.stream = twins[number]
            container.mux_one(packet)
    return path


def _interleaved(parts: Sequence[Path]) -> list[tuple[Packet[Any], int]]:
    packets = []
    for number, part in enumerate(parts):
        with av.open(str(part)) as source:
            for packet in source.demux(video=0):
                if packet.size:
                    copy: Packet[Any] = Packet(bytes(packet))
                    copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
                    copy.time_base, copy.is_keyframe = packet.time_base, packet.is_keyframe
                    packets.append((copy, number))
    return sorted(packets, key=lambda pair: (pair[0].dts or 0) * Fraction(pair[0].time_base))


def render(source: Path) -> RenderReport:
    """Render `source`, whose video is VIDEO, to `out.mp4` beside it, and verify that."""
    return segmented.render(source, faces_document(VIDEO), SETTINGS)


VP9 = {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "0", "g": "15"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
KINDS: dict[str, tuple[str, list[Track], dict[str, str], int]] = {
    "hidden first, MP4": ("in.mp4", [hidden(OTHER), shown(VIDEO)], {}, 1),
    "hidden first, MOV": ("in.mov", [hidden(OTHER), shown(VIDEO)], {}, 1),
    "hidden first, Matroska": ("in.mkv", [hidden(OTHER), shown(VIDEO)], {}, 1),
    "hidden last, MP4": ("in.mp4", [shown(VIDEO), hidden(OTHER)], {}, 0),
    "preview first, MP4": ("in.mp4", [shown(PREVIEW), shown(VIDEO)], {}, 1),
    "preview first, as large": (
        "in.mp4",
        [shown(replace(VIDEO, seconds=1 / 30)), shown(VIDEO)],
        {},
        1,
    ),
    "preview first, fragments": ("in.mp4", [shown(PREVIEW), shown(VIDEO)], FRAGMENTS, 1),
    "preview first, Matroska": ("in.mkv", [shown(PREVIEW), shown(VIDEO)], {}, 1),
    "preview last, MOV": ("in.mov", [shown(VIDEO), shown(PREVIEW)], {}, 0),
    "small twin first, MP4": (
        "in.mp4",
        [shown(replace(OTHER, size=(160, 120))), shown(VIDEO)],
        {},
        1,
    ),
    "preview first, VP9 in WebM": (
        "in.webm",
        [shown(replace(clip, codec="libvpx-vp9", options=VP9)) for clip in (PREVIEW, VIDEO)],
        {},
        1,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_track_that_players_show_is_rendered(tmp_path: Path, kind: str) -> None:
    """The track that players show is rendered whole; the manifest lists the others."""
    name, tracks, options, rendered = KINDS[kind]
    source = write_tracks(tmp_path / name, tracks, options)

    report = render(source)

    assert worst_detail(tmp_path / "out.mp4", VIDEO) < GONE
    described = report_to_json(report, Steps(), Settings("work", "output", "1", SETTINGS))["video_tracks"]
    assert [track["rendered"] for track in described] == [n == rendered for n in range(len(tracks))]


@pytest.mark.parametrize("kind", ["hidden first, MP4", "preview first, MP4", "preview last, MOV"])
def test_segments_are_those_of_the_track_that_players_show(tmp_path: Path, kind: str) -> None:
    """Plan, tracks, segments and their joining choose by the same function."""
    name, tracks, options, _ = KINDS[kind]
    source = write_tracks(tmp_path / name, tracks, options)
    segmented = InSegments(source, faces_document(VIDEO), tmp_path, SETTINGS)

    report = segmented.join(segmented.parts(), tmp_path / "out.mp4")

    assert worst_detail(tmp_path / "out.mp4", VIDEO) < GONE
    assert report.source.tracks == render(source).source.tracks


@pytest.mark.parametrize("kind", ["hidden first, MP4", "preview first, MP4", "small twin first, MP4"])
def test_the_detector_looks_at_the_track_that_is_rendered(tmp_path: Path, kind: str) -> None:
    """Boxes from another track would cover nothing."""
    name, tracks, options, _ = KINDS[kind]
    source = write_tracks(tmp_path / name, tracks, options)

    with open_sampled(source) as video:
        times = [sample.time_ms for sample in video.samples(500, 320)]

    assert len(times) == 4
    assert (video.metadata.width, video.metadata.height) == VIDEO.size


DOUBTFUL = {
    "two of one size and length": [shown(VIDEO), shown(OTHER)],
    "two without a flag": [hidden(VIDEO), hidden(OTHER)],
    "a preview hides the video": [shown(PREVIEW), hidden(VIDEO)],
}


@pytest.mark.parametrize("kind", ["two of one size and length", "a preview hides the video"])
def test_tracks_that_nothing_tells_apart_are_refused(tmp_path: Path, kind: str) -> None:
    """The detector may have looked at the other one: the error names both."""
    source = write_tracks(tmp_path / "in.mp4", DOUBTFUL[kind])

    with pytest.raises(UnsupportedVideo, match=r"track 0 of .* track 1 of"):
        render(source)


def test_two_tracks_without_a_flag_are_refused(tmp_path: Path) -> None:
    """A Matroska file with two tracks of the same rank is refused."""
    source = write_tracks(tmp_path / "in.mkv", DOUBTFUL["two without a flag"])

    with pytest.raises(UnsupportedVideo, match="which of these is the video"):
        render(source)


def test_the_detector_refuses_what_the_renderer_refuses(tmp_path: Path) -> None:
    """The Rekognition stand-in fails on the same files, with its own message."""
    source = write_tracks(tmp_path / "in.mp4", DOUBTFUL["two of one size and length"])

    with pytest.raises(UnreadableVideo, match="which of these"), open_sampled(source):
        pass


def test_faces_of_another_track_are_refused(tmp_path: Path) -> None:
    """A detector that reports the size of the preview looked there."""
    source = write_tracks(tmp_path / "in.mp4", [shown(PREVIEW), shown(VIDEO)])
    faces = faces_document(VIDEO)
    of_preview = replace(faces, video=replace(faces.video, width=160, height=120))

    with pytest.raises(UnsupportedVideo, match="looked for in a track of 160x120"):
        redact_video(source, tmp_path / "out.mp4", of_preview, SETTINGS, ignore)
