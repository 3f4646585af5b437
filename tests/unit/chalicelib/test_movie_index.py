"""The index of a movie: the largest of all it says counts, and what cannot be told is refused by name."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.contract.errors import (
    DamagedVideo,
    FaceBlurError,
    NotAVideo,
    NoVideoStream,
    UnsupportedVideo,
    VideoTooLarge,
)
from chalicelib.movie_index import READS_MAX, Movie, read_movie
from tests.clips.mp4_boxes import FTYP, Index, box, endless_box, fragment, full, long_box, movie

HOUR_S = 3600
TREX = full(b"trex", 1, 1, 2000, 0, 0)


@dataclass
class Counted:
    """A file that keeps which ranges of it were read."""

    content: bytes
    reads: list[tuple[int, int]] = field(default_factory=list)

    def read(self, begin: int, end: int) -> bytes:
        """Return bytes [begin, end)."""
        self.reads.append((begin, end))
        return self.content[begin:end]


def read(content: bytes) -> Movie:
    """Return what `content` says of itself."""
    return read_movie(Counted(content).read, len(content))


def changed(content: bytes, lot: random.Random, count: int) -> bytes:
    """Return `content` with some bytes changed, left out, or put in."""
    mutated = bytearray(content)
    for _ in range(count):
        place = lot.randrange(len(mutated))
        mutated[place : place + lot.randrange(3)] = lot.randbytes(lot.randrange(5))
    return bytes(mutated)


def read_or_refused(file: Counted) -> list[Movie]:
    """Return what `file` says of itself, or nothing where it is refused by a name."""
    try:
        return [read_movie(file.read, len(file.content))]
    except FaceBlurError:
        return []


def fragmented(*fragments: bytes, extends: bytes = TREX, before: bytes = b"") -> bytes:
    """Return a file whose index tells of no frame, and fragments behind it."""
    index = Index(0, 0, 0, samples=(), fragments=box(b"mvex", extends))
    return FTYP + index.to_bytes() + before + b"".join(fragments)


def spread(count: int, **given: bytes) -> bytes:
    """Return a file of so many fragments that each needs a read of its own."""
    return fragmented(*(fragment(1000) + box(b"free", bytes(20_000)) for _ in range(count)), **given)


def test_an_empty_file_is_no_video() -> None:
    """The empty case."""
    with pytest.raises(NotAVideo):
        read(b"")


@pytest.mark.parametrize(
    "content", [b"This is a letter." * 40, b"\x1aE\xdf\xa3" * 40, b"RIFF\x00\x00\x00\x00AVI "]
)
def test_what_is_no_mp4_is_named(content: bytes) -> None:
    """A letter, Matroska and AVI: what their detection would cost cannot be told."""
    with pytest.raises(NotAVideo):
        read(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(movie(), id="index in front"),
        pytest.param(movie(index_first=False), id="index at the end"),
        pytest.param(movie(Index(is_long=True)), id="times of 64 bits"),
        pytest.param(FTYP + long_box(b"mdat", b"frames") + Index().to_bytes(), id="a size of 64 bits"),
        pytest.param(FTYP + Index().to_bytes() + endless_box(b"mdat", b"frames"), id="media to the end"),
        pytest.param(movie() + b"\0\0\0\1ab", id="a rest that is no box"),
        pytest.param(Index().to_bytes() + box(b"mdat", b"frames"), id="an old MOV without ftyp"),
    ],
)
def test_size_and_duration_are_read(content: bytes) -> None:
    """Wherever the index stands, and however long its numbers are."""
    assert read(content) == Movie(Fraction(10), 640, 360)


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(Index(movie_s=HOUR_S), id="the movie"),
        pytest.param(Index(track_s=HOUR_S), id="the track"),
        pytest.param(Index(media_s=HOUR_S), id="the media"),
        pytest.param(Index(samples=((1, 1000), (3599, 1000))), id="the sample table"),
        pytest.param(Index(samples=((1, 1000 * HOUR_S),)), id="one sample"),
        pytest.param(Index(offsets=((1, 0), (1, 1000 * (HOUR_S - 10)))), id="a sample shown late"),
        pytest.param(Index(edits=[10] * 360), id="edits that show a part again and again"),
        pytest.param(Index(handler=b"text", media_s=HOUR_S), id="a track that calls itself text"),
    ],
)
def test_the_longest_that_any_box_says_counts(index: Index) -> None:
    """An index that lies in all but one place is found out."""
    content = FTYP + box(b"moov", Index().to_bytes()[8:], index.to_bytes()[8:]) + box(b"mdat", b"frames")

    assert read(content).duration_s == HOUR_S


def test_track_beside_the_movie_counts() -> None:
    """FFmpeg reads a track wherever it stands."""
    assert read(movie() + Index(media_s=HOUR_S).track()).duration_s == HOUR_S


def test_second_index_counts() -> None:
    """Whichever a decoder takes, the larger one was looked at."""
    assert read(movie() + Index(media_s=HOUR_S).to_bytes()).duration_s == HOUR_S


def test_duration_of_all_ones_is_none() -> None:
    """So the standard says "not known"."""
    unknown = full(b"mvhd", 0, 0, 1000, 0xFFFFFFFF)
    content = FTYP + box(b"moov", unknown, Index().track()) + box(b"mdat", b"frames")

    assert read(content).duration_s == 10


def test_negative_offset_is_no_late_sample() -> None:
    """Writers mean signed numbers in every version of the box."""
    assert read(movie(Index(offsets=((10, 0xFFFFFFF0),)))).duration_s == 10


@pytest.mark.parametrize("index", [Index(shown=(4000, 3000)), Index(coded=(4000, 3000))])
def test_the_largest_frame_counts(index: Index) -> None:
    """As it is shown, or as it is coded."""
    found = read(movie(index))

    assert (found.width, found.height) == (4000, 3000)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(fragmented(*[fragment(1000)] * 90), id="durations of fragments"),
        pytest.param(fragmented(fragment(0), fragment(1000, begin=5000), fragment(1, 1, 94_999)), id="times"),
        pytest.param(fragmented(fragment(1000, count=90)), id="many samples of one fragment"),
        pytest.param(fragmented(fragment(1000), extends=full(b"mehd", 90_000) + TREX), id="mehd"),
        pytest.param(
            fragmented(
                fragment(1000),
                before=full(b"sidx", 1, 1000, 0, 0, 1, 500, 90_000, 0),
            ),
            id="sidx",
        ),
    ],
)
def test_fragments_are_counted(content: bytes) -> None:
    """The index of a fragmented file tells of no frame."""
    assert read(content).duration_s == 90


def test_recording_that_begins_at_the_time_of_day_is_as_long_as_its_frames() -> None:
    """Cameras count from midnight."""
    noon = 12 * HOUR_S * 1000

    assert read(fragmented(fragment(5000, begin=noon), fragment(5000, begin=noon + 5000))).duration_s == 10


def test_samples_of_a_run_tell_their_own_durations() -> None:
    """And how late each is shown."""
    run = full(b"trun", 2, 1000, 0, 4000, 5000, flags=0x900)
    content = fragmented(box(b"moof", box(b"traf", full(b"tfhd", 1), run)))

    assert read(content).duration_s == 10


def test_many_fragments_are_believed_by_what_the_file_declares() -> None:
    """Where they cannot all be looked at."""
    assert read(spread(READS_MAX + 10, extends=full(b"mehd", 900_000) + TREX)).duration_s == 900


def test_many_fragments_are_believed_by_the_list_at_the_end() -> None:
    """The box mfra: the last fragment that it names begins at 800 s."""
    listed = box(
        b"tfra",
        struct.pack(">IIII", 0, 1, 0, 2),
        struct.pack(">II3x", 0, 0),
        struct.pack(">II3x", 800_000, 9),
    )
    tail = box(b"mfra", listed, full(b"mfro", 8 + len(listed) + 16))

    assert read(spread(READS_MAX + 10) + tail).duration_s == 800


def test_many_fragments_without_a_list_are_refused_with_a_way_out() -> None:
    """A few hundred reads are the most that a look may cost."""
    file = Counted(spread(READS_MAX + 10))

    with pytest.raises(VideoTooLarge, match=r"ffmpeg -i in\.mp4 -c copy -movflags \+faststart"):
        read_movie(file.read, len(file.content))

    assert len(file.reads) <= READS_MAX + 20


def test_table_larger_than_any_video_needs_is_refused() -> None:
    """Its size is looked at before it is read."""
    file = Counted(FTYP + box(b"moov", box(b"stts", bytes(17 * 1024**2))))

    with pytest.raises(VideoTooLarge):
        read_movie(file.read, len(file.content))

    assert sum(end - begin for begin, end in file.reads) < 1024**2


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(FTYP + box(b"mdat", b"frames"), DamagedVideo, id="no index"),
        pytest.param(FTYP + struct.pack(">I4s", 1 << 30, b"mdat") + b"frames", DamagedVideo, id="cut off"),
        pytest.param(movie(Index(0, 0, 0, samples=())), DamagedVideo, id="no duration"),
        pytest.param(movie(Index(shown=(0, 0), coded=(0, 0))), DamagedVideo, id="no size"),
        pytest.param(movie(Index(handler=b"soun")), NoVideoStream, id="sound only"),
        pytest.param(FTYP + box(b"moov", box(b"cmov", bytes(40))), UnsupportedVideo, id="compressed index"),
    ],
)
def test_file_without_a_readable_video_is_named(content: bytes, error: type[FaceBlurError]) -> None:
    """No detection of it could succeed, or be told what it costs."""
    with pytest.raises(error):
        read(content)


def test_boxes_in_boxes_without_end_are_not_followed() -> None:
    """A hundred thousand boxes are a few hundred kilobytes."""
    deep = reduce(lambda inner, _: box(b"udta", inner), range(500), b"")

    assert read(FTYP + box(b"moov", Index().to_bytes()[8:], deep)).duration_s == 10


def test_very_many_boxes_are_refused() -> None:
    """Counting them costs more than a look may."""
    with pytest.raises(VideoTooLarge):
        read(FTYP + struct.pack(">I4s", 8, b"free") * 200_000)


WHOLE = [
    movie(Index(offsets=((1, 0),), edits=[10])),
    movie(index_first=False),
    fragmented(fragment(1000, begin=0), fragment(1000, begin=1000), extends=full(b"mehd", 2000) + TREX),
]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(WHOLE), st.randoms(use_true_random=False), st.integers(1, 12))
def test_any_bytes_are_read_or_refused_by_name(content: bytes, lot: random.Random, count: int) -> None:
    """Bytes changed, cut out and put in twice: no other error, no endless loop."""
    file = Counted(changed(content, lot, count))

    found = read_or_refused(file)

    assert all(one.duration_s > 0 and one.width * one.height > 0 for one in found)
    assert len(file.reads) <= READS_MAX + 20
