"""The index in front of a streamed MP4: its room always suffices, and too little of it is no file."""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import pytest

from blur_container.reading.timestamps import time_base
from blur_container.reading.video import open_source, video_stream
from blur_container.storage.s3 import Storage
from blur_container.writing.mp4 import moov_bytes_max, open_streamed
from blur_container.writing.remux import StreamRemuxer
from blur_container.writing.stream_selection import choose_streams
from chalicelib.contract.errors import OutputMismatch, StorageUnavailable
from chalicelib.contract.objects import ObjectReference
from tests.clips import Clip, Face, make_clip
from tests.clips.extra_streams import Extras, with_extras
from tests.clips.textures import make_noise
from tests.clouds.fake_s3 import FakeS3, refusal

TARGET = ObjectReference("output", "out.mp4")
SMALL = {"size": (64, 36), "options": {"preset": "veryfast", "bf": "3", "g": "12"}}
# Steps of 1 to 7 ticks: hardly two packets in a row have the same.
UNEVEN = list(itertools.accumulate(1 + index * index % 7 for index in range(900)))
PLAIN = Clip(faces=[Face()], seconds=4, **SMALL)  # type: ignore[arg-type]  # the values fit their names
VARIABLE = Clip(faces=[Face()], pts=UNEVEN, time_base=Fraction(1, 600), **SMALL)  # type: ignore[arg-type]
SOUND = Clip(faces=[Face()], seconds=4, audio=["aac", "aac", "alac"], **SMALL)  # type: ignore[arg-type]
TEXTS = Extras(
    subtitle_codec="mov_text",
    lines=["one", "two"] * 9,
    chapters=["Ä" * 120] * 40,
    tags={"title": "T" * 900, "comment": "C" * 3000, "where": "+48/"},
    container_options={"movflags": "+use_metadata_tags"},
)


@dataclass(frozen=True)
class Needs:
    """What the index of a file has to hold."""

    packets: list[int]
    texts: list[bytes]

    @classmethod
    def of(cls, path: Path) -> Needs:
        """Return those of the file at `path`."""
        with open_source(path) as source:
            counts = dict.fromkeys((stream.index for stream in source.streams), 0)
            for packet in source.demux():
                counts[packet.stream.index] += bool(packet.size)
            texts = [text for tags in _all_tags(source) for pair in tags.items() for text in pair]
            headers = [
                stream.codec_context.extradata or b"" for stream in source.streams if stream.codec_context
            ]
            return cls(list(counts.values()), [text.encode() for text in texts] + headers)

    def bytes_max(self) -> int:
        """Return the bound."""
        return moov_bytes_max(self.packets, self.texts)


def _all_tags(source: av.container.InputContainer) -> Iterator[Mapping[str, str]]:
    yield source.metadata
    yield from (stream.metadata for stream in source.streams)
    yield from (chapter["metadata"] for chapter in source.chapters())


def stream_to(client: FakeS3, path: Path, moov_bytes: int) -> bytes:
    """Copy the packets of `path` through a writer; return the object."""
    with (
        open_source(path) as video,
        open_source(path) as audio,
        Storage(client).writer(TARGET, "video/mp4", {}, moov_bytes + 4096) as writer,
    ):
        source = video_stream(video)
        kept = choose_streams(audio, video_stream(audio), keep_metadata=True)
        with open_streamed(writer, moov_bytes, time_base(source), kept) as container:
            target = container.add_stream_from_template(source, opaque=True)
            companions = StreamRemuxer(kept, container)
            for packet in video.demux(source):
                if packet.size:
                    companions.write_until((packet.dts or 0) * packet.time_base)
                    packet.stream = target
                    container.mux_one(packet)
            companions.write_rest()
        writer.complete()
    return client.objects["output", "out.mp4"]


def boxes(content: bytes) -> dict[str, int]:
    """Return the sizes of the outermost boxes by their names, in order."""
    found: dict[str, int] = {}
    place = 0
    while place < len(content):
        size, name = struct.unpack_from(">I4s", content, place)
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, place + 8)
        found[name.decode()] = found.get(name.decode(), 0) + size
        place += size
    return found


def times(content: bytes) -> list[list[tuple[int | None, int | None, int]]]:
    """Return (pts, dts, bytes) of all packets of every stream of video or sound."""
    with av.open(io.BytesIO(content)) as container:
        streams = [*container.streams.video, *container.streams.audio]
        packets = [packet for packet in container.demux(*streams) if packet.size]
        return [
            [(packet.pts, packet.dts, packet.size) for packet in packets if packet.stream is stream]
            for stream in streams
        ]


@pytest.fixture(params=["one frame", "plain", "variable", "sound", "texts"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a file of each kind."""
    path = tmp_path / "in.mp4"
    return {
        "one frame": lambda: make_clip(path, Clip(pts=[0], size=(64, 36))),
        "plain": lambda: make_clip(path, PLAIN),
        "variable": lambda: make_clip(path, VARIABLE),
        "sound": lambda: make_clip(path, SOUND),
        "texts": lambda: with_extras(make_clip(tmp_path / "plain.mp4", SOUND), path, TEXTS),
    }[request.param]()


def test_index_fits_in_front(source: Path) -> None:
    """Players start at once; what is left of the room is a box that they skip."""
    bound = Needs.of(source).bytes_max()

    content = stream_to(FakeS3(), source, bound)

    found = boxes(content)
    assert list(found) == ["ftyp", "moov", "free", "mdat"]
    assert found["moov"] + 8 <= bound
    assert times(content) == times(source.read_bytes())


def test_much_is_streamed_in_parts(tmp_path: Path) -> None:
    """The size of the media is written into the head when it is known."""
    client, source = FakeS3(), make_noise(tmp_path / "in.mp4", seconds=25)

    content = stream_to(client, source, Needs.of(source).bytes_max())

    assert list(boxes(content)) == ["ftyp", "moov", "free", "mdat"]
    assert times(content) == times(source.read_bytes())
    assert client.operations.count("upload_part") == 4


@pytest.mark.parametrize("seconds", [2, 25])
def test_too_little_room_is_no_file(tmp_path: Path, seconds: int) -> None:
    """FFmpeg has overwritten the first frames when it notices."""
    client, source = FakeS3(), make_noise(tmp_path / "in.mp4", seconds=seconds)

    with pytest.raises(OutputMismatch):
        stream_to(client, source, 1000)

    assert (client.objects, client.parts) == ({}, {})


@pytest.mark.parametrize("operation", ["create_multipart_upload", "upload_part", "complete_multipart_upload"])
def test_refused_part_keeps_its_name(tmp_path: Path, operation: str) -> None:
    """FFmpeg knows numbers only; the state machine tries again by name."""
    client = FakeS3(errors={operation: refusal("SlowDown", 503)})
    source = make_noise(tmp_path / "in.mp4", seconds=25)

    with pytest.raises(StorageUnavailable):
        stream_to(client, source, Needs.of(source).bytes_max())

    assert client.objects == {}
