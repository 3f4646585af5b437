"""Privacy: what names people, places and devices beside the pictures stays out, and is listed."""

from __future__ import annotations

from pathlib import Path

import av
from av.stream import Discard

from blur_container.rendering.progress import Steps
from blur_container.rendering.report import RenderReport, report_to_json
from blur_container.settings import RenderSettings, Settings
from blur_container.writing.stream_selection import DroppedStream
from tests.checks import segmented
from tests.clips import Clip, make_clip
from tests.clips.extra_streams import Extras, with_extras

PLACE = b"GPS5 N 53.5403 E 009.9678"
TAGS = {"title": "Harbour", "location": "+53.5403+009.9678/", "com.apple.quicktime.model": "Phone 3"}
CAMERA = Extras(telemetry=PLACE, tags=TAGS, container_options={"movflags": "use_metadata_tags"})
TELEMETRY = DroppedStream("data", "bin_data", "may say who, where or with what")
SMALL = Clip(seconds=0.3, size=(64, 48))


def render(source: Path, *, keep_metadata: bool = False) -> RenderReport:
    """Render `source` to `out.mp4` beside it, and verify that."""
    return segmented.render(source, settings=RenderSettings(keep_metadata=keep_metadata))


def camera_file(folder: Path) -> Path:
    """Return a file as cameras write it: with a place in its tags and in a stream of telemetry."""
    return with_extras(make_clip(folder / "plain.mp4", SMALL), folder / "in.mp4", CAMERA)


def test_telemetry_is_dropped_and_listed(tmp_path: Path) -> None:
    """A stream of positions is in the source and in no byte of the output."""
    source = camera_file(tmp_path)

    report = render(source)

    assert PLACE in source.read_bytes()
    assert PLACE not in (tmp_path / "out.mp4").read_bytes()
    assert report.dropped_streams == (TELEMETRY,)


def test_dropped_tags_are_listed_by_name_only(tmp_path: Path) -> None:
    """The manifest lists the names of dropped tags without their values."""
    source = camera_file(tmp_path)

    report = render(source)
    described = report_to_json(report, Steps(), Settings("work", "output", "1", RenderSettings()))

    assert {"com.apple.quicktime.model", "location"} <= set(described["dropped_tags"])
    assert described["dropped_streams"] == [
        {"kind": "data", "codec": "bin_data", "reason": "may say who, where or with what"}
    ]
    assert "53.5403" not in str(described)
    assert b"53.5403" not in (tmp_path / "out.mp4").read_bytes()


def test_metadata_is_kept_when_asked(tmp_path: Path) -> None:
    """Tags and the telemetry of cameras come out as they went in."""
    source = camera_file(tmp_path)

    report = render(source, keep_metadata=True)

    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata.items() >= TAGS.items()
        telemetry = container.streams.data[0]
        telemetry.discard = Discard.default
        packets = [bytes(packet) for packet in container.demux(telemetry) if packet.size]
    assert packets == [PLACE]
    assert (report.dropped_streams, report.dropped_tags) == ((), ())


def test_attachments_are_dropped(tmp_path: Path) -> None:
    """Matroska carries fonts and pictures as files."""
    plain = make_clip(tmp_path / "plain.mp4", SMALL)
    source = tmp_path / "in.mkv"
    with av.open(str(plain)) as whole, av.open(str(source), "w") as target:
        twin = target.add_stream_from_template(whole.streams.video[0])
        target.add_attachment("portrait.jpg", "image/jpeg", b"\xff\xd8 a portrait")
        for packet in whole.demux(video=0):
            packet.stream = twin
            target.mux([packet] if packet.size else [])

    report = render(source)

    assert [stream.kind for stream in report.dropped_streams] in (["attachment"], ["video"])
    assert b"a portrait" not in (tmp_path / "out.mp4").read_bytes()


def test_second_video_is_dropped_even_when_metadata_is_kept(tmp_path: Path) -> None:
    """A second video stream, whose faces are unknown, is always dropped."""
    first = make_clip(tmp_path / "first.mp4", SMALL)
    source = tmp_path / "in.mp4"
    with av.open(str(first)) as whole, av.open(str(source), "w") as target:
        twins = [target.add_stream_from_template(whole.streams.video[0]) for _ in range(2)]
        for packet in whole.demux(video=0):
            copy = av.Packet(bytes(packet))
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            packet.stream, copy.stream = twins
            target.mux([packet, copy] if packet.size else [])

    report = render(source, keep_metadata=True)

    assert report.dropped_streams == (DroppedStream("video", "h264", "a second video"),)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams) == 1
