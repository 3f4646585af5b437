"""What an output says beside its pictures, whole or joined of segments: title, time, chapters, languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest

from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings
from blur_container.writing.verification import verify_output
from tests.checks.segmented import InSegments
from tests.clips import Clip, Face, faces_document, make_clip
from tests.clips.extra_streams import Extras, with_extras

GROUPS = {"preset": "ultrafast", "x264-params": "keyint=10:min-keyint=10:scenecut=0"}
CLIP = Clip(faces=[Face()], size=(320, 180), seconds=1, options=GROUPS, audio=["aac"])
KEPT = {"title": "Harbour", "creation_time": "2026-11-24T12:00:00.000000Z"}
TOLD = {
    "artist": "Anna Example",
    "comment": "seen from her window",
    "copyright": "Example GmbH",
    "description": "third floor",
    "location": "+53.5403+009.9678/",
    "synopsis": "who was there",
    "com.apple.quicktime.author": "Anna Q. Example",
    "com.apple.quicktime.location.ISO6709": "+53.5404+009.9679+003.000/",
    "com.apple.quicktime.make": "Maker",
    "com.apple.quicktime.model": "Phone 3",
    "com.android.version": "14-beta",
}
HANDLERS = {b"VideoHandler": b"AnnasPhone12", b"SoundHandler": b"AnnasMicro34"}
STRUCTURE = {"major_brand", "minor_version", "compatible_brands", "encoder"}
# As cameras write them: in Apple's list of names, or in the boxes of user data (©xyz, ©cmt ...).
LAYOUTS = {"names": {"movflags": "use_metadata_tags"}, "boxes": {}}
SETTINGS = RenderSettings(preset="ultrafast", encoder_threads=1)
Render = Callable[[Path, Path, RenderSettings], None]


def whole(source: Path, target: Path, settings: RenderSettings) -> None:
    """Render a video in one piece."""
    report = redact_video(source, target, faces_document(CLIP), settings, lambda _progress: None)
    verify_output(target, report)


def segmented(source: Path, target: Path, settings: RenderSettings) -> None:
    """Render a video in segments and join them."""
    video = InSegments(source, faces_document(CLIP), target.parent, settings)
    video.join(video.parts(), target)


WAYS: dict[str, Render] = {"whole": whole, "segmented": segmented}


def talkative(folder: Path, layout: str) -> Path:
    """Return a source whose tags, handlers and chapters say who and where."""
    extras = Extras(tags={**KEPT, **TOLD}, chapters=["Arrival"], container_options=LAYOUTS[layout])
    source = with_extras(make_clip(folder / "plain.mp4", CLIP), folder / "annas-birthday.mp4", extras)
    content = source.read_bytes()
    source.write_bytes(
        content.replace(b"VideoHandler", HANDLERS[b"VideoHandler"]).replace(
            b"SoundHandler", HANDLERS[b"SoundHandler"]
        )
    )
    return source


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_byte_of_the_output_tells_who_where_or_from_what(tmp_path: Path, layout: str, way: str) -> None:
    """The output contains no tags or handler names of the source, and no path."""
    source, target = talkative(tmp_path, layout), tmp_path / "rendered.mp4"
    words = [word.encode() for word in (*TOLD.values(), *TOLD, "annas-birthday", "rendered", str(tmp_path))]
    told = [word for word in (*words, *HANDLERS.values()) if word in source.read_bytes()]

    WAYS[way](source, target, SETTINGS)

    assert len(told) >= 6
    assert [word for word in (*told, *words) if word in target.read_bytes()] == []


@pytest.mark.parametrize("way", WAYS)
def test_title_time_chapters_and_language_are_kept(tmp_path: Path, way: str) -> None:
    """Title, creation time, chapters and language are kept."""
    source, target = talkative(tmp_path, "boxes"), tmp_path / "rendered.mp4"

    WAYS[way](source, target, SETTINGS)

    with av.open(str(target)) as container:
        tags = {name: value for name, value in container.metadata.items() if name not in STRUCTURE}
        streams = [stream.metadata for stream in container.streams]
        chapters = [chapter["metadata"] for chapter in container.chapters()]
    assert tags == KEPT
    assert chapters == [{"title": "Arrival"}]
    own = {"language", "creation_time", "handler_name", "vendor_id", "encoder"}
    assert [stream.keys() - own for stream in streams] == [set()] * len(streams)
    handlers = {stream["handler_name"] for stream in streams}
    assert handlers <= {"VideoHandler", "SoundHandler", "SubtitleHandler"}


@pytest.mark.parametrize("way", WAYS)
def test_tags_are_kept_when_asked_in_either_way(tmp_path: Path, way: str) -> None:
    """KEEP_METADATA=on; names of handlers, which are the container's own, go all the same."""
    source, target = talkative(tmp_path, "names"), tmp_path / "rendered.mp4"

    WAYS[way](source, target, replace(SETTINGS, keep_metadata=True))

    with av.open(str(target)) as container:
        assert container.metadata.items() >= {**KEPT, **TOLD}.items()
    assert [name for name in HANDLERS.values() if name in target.read_bytes()] == []
