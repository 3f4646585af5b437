"""Remote objects: the same bytes as a file's, few of them, and every failed read by its name."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blur_container.analysis.face_tracking import track_faces
from blur_container.reading.source import Source
from blur_container.reading.timestamps import time_base
from blur_container.reading.video import decoded_frames, open_source, video_stream
from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings
from blur_container.smart_render.eligibility import check_eligibility
from blur_container.storage.block_cache import BLOCK_BYTES, BlockCache
from blur_container.storage.range_reader import AHEAD_BYTES, RemoteHandle, RemoteObject
from blur_container.writing.verification import verify_output
from chalicelib.contract.errors import DamagedVideo, NotAVideo, SourceChanged, StorageUnavailable
from chalicelib.contract.faces import Box, Detection
from tests.checks.segmented import ignore
from tests.clips import Clip, Face, document_of, faces_document, make_clip
from tests.clips.textures import make_noise

# Pattern without a period that blocks share.
CONTENT = b"".join(number.to_bytes(4, "big") for number in range(5 * BLOCK_BYTES // 2))
FACES = document_of([Detection(6000, Box(0.4, 0.4, 0.2, 0.2), 99.0)])
SMART = RenderSettings(smart_render=True)


@dataclass
class Far:
    """Bytes that lie elsewhere; after `working` requests every one fails with `error`."""

    content: bytes
    working: int = 1_000_000
    error: Exception = field(default_factory=lambda: StorageUnavailable("reset"))
    asked: list[tuple[int, int]] = field(default_factory=list)

    def fetch(self, begin: int, end: int) -> bytes:
        """Return bytes [begin, end)."""
        assert 0 <= begin < end <= len(self.content)
        self.asked.append((begin, end))
        if len(self.asked) > self.working:
            raise self.error
        return self.content[begin:end]

    @contextmanager
    def opened(
        self, folder: Path, keep_bytes: int = 64 * 1024**2, ahead_bytes: int = AHEAD_BYTES
    ) -> Iterator[RemoteObject]:
        """Yield the object, as long as its cache is open."""
        with BlockCache(folder, keep_bytes) as cache:
            yield RemoteObject("far.mp4", self.fetch, len(self.content), cache, ahead_bytes)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a video of 10 s and 9 MB."""
    return make_noise(tmp_path_factory.mktemp("noise") / "in.mp4").read_bytes()


def read_all(handle: io.RawIOBase, count: int) -> bytes:
    """Return the next `count` bytes, fewer at the end."""
    found = b""
    while part := handle.read(count - len(found)):
        found += part
    return found


def test_empty_object_is_read_without_a_request(tmp_path: Path) -> None:
    """A range of nothing is refused by S3."""
    far = Far(b"")

    with far.opened(tmp_path) as remote:
        assert remote.open().read(10) == b""

    assert far.asked == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.integers(1, len(CONTENT)),
    reads=st.lists(st.tuples(st.integers(0, len(CONTENT)), st.integers(0, 3 * BLOCK_BYTES)), max_size=20),
)
def test_reads_are_those_of_a_file(tmp_path: Path, size: int, reads: list[tuple[int, int]]) -> None:
    """Reads return the object's bytes in any order and length, whatever the cache dropped."""
    content = CONTENT[:size]

    with Far(content).opened(tmp_path, keep_bytes=0) as remote:
        handle = remote.open()
        found = [(handle.seek(place), read_all(handle, count))[1] for place, count in reads]

    assert found == [content[place : place + count] for place, count in reads]


@pytest.mark.parametrize(
    ("offset", "whence", "expected"), [(7, os.SEEK_SET, 7), (-3, os.SEEK_CUR, 7), (-1, os.SEEK_END, 99)]
)
def test_positions_are_those_of_a_file(tmp_path: Path, offset: int, whence: int, expected: int) -> None:
    """FFmpeg asks for the size by going to the end."""
    with Far(bytes(100)).opened(tmp_path) as remote:
        handle = remote.open()
        handle.seek(10)

        assert handle.seek(offset, whence) == handle.tell() == expected


def test_place_before_the_start_is_refused(tmp_path: Path) -> None:
    """A seek before the start is refused, like by a file."""
    with Far(bytes(100)).opened(tmp_path) as remote, pytest.raises(ValueError, match="before the start"):
        remote.open().seek(-1, os.SEEK_CUR)


def test_requests_grow_while_reading_goes_on(tmp_path: Path) -> None:
    """A seek costs little, a long read few requests; none goes past the end, none is made twice."""
    far = Far(CONTENT[: 9 * BLOCK_BYTES + 1])

    with far.opened(tmp_path) as remote:
        read_all(remote.open(), 10 * BLOCK_BYTES)
        read_all(remote.open(), 10 * BLOCK_BYTES)
        counts = remote.requests, remote.fetched_bytes

    sizes = [end - begin for begin, end in far.asked]
    assert sizes == [BLOCK_BYTES, 2 * BLOCK_BYTES, 4 * BLOCK_BYTES, 2 * BLOCK_BYTES + 1]
    assert counts == (4, len(far.content))


def test_what_is_read_once_and_whole_takes_few_requests(tmp_path: Path) -> None:
    """Two objects that share a cache are each read correctly, in requests of growing size."""
    first, second = Far(CONTENT), Far(CONTENT[::-1])

    with BlockCache(tmp_path, 4 * BLOCK_BYTES) as cache:
        near = [
            RemoteObject("far.mp4", one.fetch, len(CONTENT), cache, len(CONTENT)) for one in (first, second)
        ]
        handles = [remote.open() for remote in near]
        found = [read_all(handle, 3 * BLOCK_BYTES) for _ in range(4) for handle in handles]

    assert b"".join(found[::2]) == CONTENT
    assert b"".join(found[1::2]) == CONTENT[::-1]
    assert [end - begin for begin, end in first.asked][:3] == [BLOCK_BYTES, 2 * BLOCK_BYTES, 4 * BLOCK_BYTES]


def test_jump_starts_small_again(tmp_path: Path) -> None:
    """After a seek, reading ahead starts small again."""
    far = Far(CONTENT)

    with far.opened(tmp_path) as remote:
        handle = remote.open()
        read_all(handle, 2 * BLOCK_BYTES)
        handle.seek(8 * BLOCK_BYTES)
        handle.read(1)

    assert far.asked[-1] == (8 * BLOCK_BYTES, 9 * BLOCK_BYTES)


def test_room_is_limited(tmp_path: Path) -> None:
    """The least recently used block is read again; the most recently used one is not."""
    far = Far(CONTENT)

    with far.opened(tmp_path, keep_bytes=4 * BLOCK_BYTES) as remote:
        handle = remote.open()
        found = [(handle.seek(block * BLOCK_BYTES), handle.read(1)) for block in (8, 6, 4, 2, 8, 0, 8, 6)]

    assert len(found) == 8
    assert [begin // BLOCK_BYTES for begin, _ in far.asked] == [8, 6, 4, 2, 0, 6]


def test_cache_leaves_no_file(tmp_path: Path) -> None:
    """The folder of a function is kept between invocations."""
    with Far(CONTENT).opened(tmp_path) as remote:
        remote.open().read(1)

    assert list(tmp_path.iterdir()) == []


def test_threads_share_what_was_read(tmp_path: Path) -> None:
    """Video and audio read side by side: each block is fetched once, and both see the right bytes."""
    far = Far(CONTENT)

    with far.opened(tmp_path) as remote, ThreadPoolExecutor(4) as readers:
        found = list(readers.map(lambda _: read_all(remote.open(), len(CONTENT)), range(4)))

    assert found == [CONTENT] * 4
    assert sum(end - begin for begin, end in far.asked) == len(CONTENT)


def test_short_answer_is_no_content(tmp_path: Path) -> None:
    """Bytes that are missing must not shift those that follow."""
    with (
        BlockCache(tmp_path, 0) as cache,
        pytest.raises(StorageUnavailable, match=r"far.mp4: 5 of 100 bytes"),
    ):
        RemoteObject("far.mp4", lambda begin, _: CONTENT[begin : begin + 5], 100, cache).open().read(10)


def test_failure_stays(tmp_path: Path) -> None:
    """FFmpeg asks again and again; a hole is not filled later."""
    far = Far(CONTENT, working=0)

    with far.opened(tmp_path) as remote:
        with pytest.raises(StorageUnavailable):
            remote.open().read(1)
        with pytest.raises(StorageUnavailable):
            remote.open().read(1)

    assert len(far.asked) == 1


def frame_times(source: Source) -> list[int | None]:
    """Return the pts of all frames."""
    with open_source(source) as container:
        return [frame.pts for frame in decoded_frames(container, video_stream(container), 2)]


def frame_after_jump(source: Source) -> None:
    """Decode what lies at 6 s."""
    with open_source(source) as container:
        stream = video_stream(container)
        container.seek(int(6 / time_base(stream)), stream=stream)
        next(decoded_frames(container, stream, 2))


def read_packets(source: Source) -> None:
    """Read all packets of all streams."""
    with open_source(source) as container:
        [packet.size for packet in container.demux()]


def test_window_reads_little_more_than_itself(tmp_path: Path) -> None:
    """A fifth of a video is a fifth of its bytes, and its index."""
    content = make_noise(tmp_path / "in.mp4", seconds=25).read_bytes()

    with Far(content).opened(tmp_path) as remote, open_source(remote) as container:
        stream = video_stream(container)
        container.seek(int(10 / time_base(stream)), stream=stream)
        next(packet for packet in container.demux(stream) if (packet.dts or 0) >= 15 / time_base(stream))
        share, requests = remote.fetched_bytes / len(content), remote.requests

    assert 0.2 <= share <= 0.25
    assert requests <= 10


def test_remote_video_is_rendered_as_a_file_is(tmp_path: Path) -> None:
    """Every reader of a source takes either: bytes of the output are equal."""
    clip = Clip(faces=[Face()], audio=["aac"], seconds=2.0, container_options={"movflags": "+faststart"})
    path, faces = make_clip(tmp_path / "in.mp4", clip), faces_document(clip)
    one_thread = RenderSettings(smart_render=True, encoder_threads=1)

    expected = redact_video(path, tmp_path / "expected.mp4", faces, one_thread, ignore)
    with Far(path.read_bytes()).opened(tmp_path) as remote:
        report = redact_video(remote, tmp_path / "out.mp4", faces, one_thread, ignore)
    with Far((tmp_path / "out.mp4").read_bytes()).opened(tmp_path) as remote:
        verify_output(remote, report)

    assert (report.pts, report.beside) == (expected.pts, expected.beside)
    assert frame_times(tmp_path / "out.mp4") == frame_times(tmp_path / "expected.mp4")


@pytest.mark.parametrize("working", [0, 1, 2, 4, 8])
@pytest.mark.parametrize("error", [StorageUnavailable("reset"), SourceChanged("overwritten")], ids=repr)
@pytest.mark.parametrize(
    "work",
    [
        pytest.param(frame_times, id="decode"),
        pytest.param(read_packets, id="demux"),
        pytest.param(lambda source: check_eligibility(source, SMART), id="survey"),
    ],
)
def test_failed_read_keeps_its_name(
    noise: bytes, tmp_path: Path, working: int, error: Exception, work: Callable[[Source], object]
) -> None:
    """The state machine tries again by name: a lost connection is no damaged video."""
    with Far(noise, working, error).opened(tmp_path) as remote, pytest.raises(type(error)) as raised:
        work(remote)

    assert raised.value is error


@pytest.mark.parametrize("working", [0, 1])
@pytest.mark.parametrize(
    "work",
    [
        pytest.param(frame_after_jump, id="jump"),
        pytest.param(lambda source: track_faces(source, FACES, RenderSettings()), id="locate"),
    ],
)
def test_failed_read_after_a_jump_keeps_its_name(
    noise: bytes, tmp_path: Path, working: int, work: Callable[[Source], object]
) -> None:
    """A failed read during a seek raises the storage error."""
    with Far(noise, working).opened(tmp_path) as remote, pytest.raises(StorageUnavailable):
        work(remote)


@pytest.mark.parametrize("working", [1, 3, 6, 12])
def test_failed_read_leaves_no_output(noise: bytes, tmp_path: Path, working: int) -> None:
    """A failed read in any thread or step leaves no output."""
    with Far(noise, working).opened(tmp_path, 0) as remote, pytest.raises(StorageUnavailable):
        redact_video(remote, tmp_path / "out.mp4", FACES, RenderSettings(), ignore)

    assert not (tmp_path / "out.mp4").exists()
    assert [thread.name for thread in threading.enumerate() if thread.name == "reader"] == []


class Silent(RemoteHandle):
    """A handle whose failed reads look like the end of the file."""

    def read(self, size: int = -1, /) -> bytes | None:
        """Return b"" where a read fails."""
        try:
            return super().read(size)
        except StorageUnavailable:
            return b""


class SilentObject(RemoteObject):
    """An object with silent handles."""

    def open(self) -> RemoteHandle:
        """Return a handle that hides errors."""
        return Silent(self)


@pytest.mark.parametrize("working", [0, 1, 4, 8])
def test_end_that_is_a_failure_is_noticed(noise: bytes, tmp_path: Path, working: int) -> None:
    """FFmpeg goes on after errors of reading: it takes them for the end."""
    far = Far(noise, working)

    with BlockCache(tmp_path, 0) as cache, pytest.raises(StorageUnavailable):
        read_packets(SilentObject("far.mp4", far.fetch, len(noise), cache))


@pytest.mark.parametrize(
    ("content", "named"),
    [(b"", NotAVideo), (b"no video" * 99, NotAVideo), (b"\0\0\0\x20ftypisom" + bytes(99), DamagedVideo)],
)
def test_bad_objects_are_named_as_bad_files_are(
    tmp_path: Path, content: bytes, named: type[Exception]
) -> None:
    """A damaged object raises the same error as a damaged file."""
    with Far(content).opened(tmp_path) as remote, pytest.raises(named):
        read_packets(remote)


def test_cut_matroska_object_is_damaged(tmp_path: Path) -> None:
    """FFmpeg does not ask for the end of a segment."""
    content = make_clip(tmp_path / "in.mkv", Clip(faces=[Face()])).read_bytes()

    with Far(content[:-2000]).opened(tmp_path) as remote, pytest.raises(DamagedVideo, match="Matroska"):
        read_packets(remote)
