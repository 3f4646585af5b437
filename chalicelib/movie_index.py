"""Reads duration and frame size from a movie's index, before its detection is paid for.

An index can be wrong: the largest value of movie, tracks, media, sample tables, edits and fragments counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from operator import mul

from chalicelib import movie_boxes
from chalicelib.boxes import Box, BoxReader, BudgetSpent, Read, number
from chalicelib.contract.errors import DamagedVideo, NotAVideo, NoVideoStream, UnsupportedVideo, VideoTooLarge

READS_MAX = 400
REMUX = (
    "Move its index to the start of the file and upload it again:"
    " ffmpeg -i in.mp4 -c copy -movflags +faststart out.mp4"
)
_READ_BYTES_MAX = 40 * 1024**2
# 6 h at 60 frames/s, with an entry for each frame.
_TABLE_BYTES_MAX = 16 * 1024**2
_FIXED_BYTES_MAX = 4096
_TAIL_READS, _TAIL_BYTES = 20, 4 * 1024**2
_TAIL_BOX_BYTES = 16
_DEPTH_MAX = 12
# The first box of an MP4 or a MOV.
_FIRST = frozenset(b"ftyp moov mdat free skip wide pnot uuid styp sidx moof".split())
# Read at any place, as FFmpeg does: a track outside the movie box is a track.
_CONTAINERS = frozenset(b"moov trak edts mdia minf stbl mvex moof traf udta".split())
_VIDEO = b"vide"


@dataclass(frozen=True)
class Movie:
    """The largest figures of an index: duration in seconds, frame size in pixels."""

    duration_s: Fraction
    width: int
    height: int


@dataclass
class _Track:
    """Values of one track; `movie_ticks` are in the movie's time scale, the others in the track's."""

    scales: set[int] = field(default_factory=set)
    ticks: int = 0
    table_ticks: int = 0
    latest_offset: int = 0
    movie_ticks: int = 0
    is_video: bool = False
    sizes: set[tuple[int, int]] = field(default_factory=set)

    @property
    def duration_s(self) -> Fraction:
        """Return the longest duration in the track's own time scale, in seconds."""
        return Fraction(max(self.ticks, self.table_ticks + self.latest_offset), min(self.scales, default=1))


@dataclass
class _Fragments:
    """Fragments of one track, in its ticks: the sum of durations, the first start, the last end."""

    ticks: int = 0
    begin: int | None = None
    end: int = 0
    latest_offset: int = 0

    @property
    def most(self) -> int:
        """Return the longest possible duration in ticks."""
        return max(self.ticks, self.end - (self.begin or 0)) + self.latest_offset

    def add(self, run: movie_boxes.Run, begin: int | None) -> None:
        """Add a run that starts at `begin`, or after the previous one where that is None."""
        self.ticks += run.ticks
        self.latest_offset = max(self.latest_offset, run.latest_offset)
        if begin is not None:
            self.begin = begin if self.begin is None else min(self.begin, begin)
            self.end = max(self.end, begin + run.ticks)
        else:
            self.end += run.ticks


def read_movie(read: Read, size_bytes: int) -> Movie:
    """Return duration and frame size of the file that `read(begin, end)` reads.

    Raise NotAVideo, NoVideoStream, DamagedVideo or UnsupportedVideo where it cannot be rendered,
    VideoTooLarge where its duration cannot be found within the limit of reads.
    """
    index = _Index(BoxReader(read, size_bytes, READS_MAX, _READ_BYTES_MAX))
    try:
        index.walk(0, size_bytes)
    except BudgetSpent:
        # Only a movie of many fragments has more behind its index: its declared duration has to do.
        if not index.is_movie_read or not index.reads_declaration(
            BoxReader(read, size_bytes, _TAIL_READS, _TAIL_BYTES)
        ):
            raise VideoTooLarge(
                f"the duration of the video cannot be found with {READS_MAX} reads of its index. {REMUX}"
            ) from None
    return index.movie()


class _Index:
    """Collects the values of all boxes."""

    def __init__(self, reader: BoxReader) -> None:
        self.is_movie_read = False
        self._reader = reader
        self._first: bytes | None = None
        self._declared = False
        self._movie_scales: set[int] = set()
        self._movie_ticks = 0
        # Boxes outside of any track count as one track.
        self._tracks = [_Track()]
        self._scales: dict[int, set[int]] = {}
        self._default_ticks: dict[int, int] = {}
        self._fragments: dict[int, _Fragments] = {}
        self._fragment_track, self._fragment_ticks = 0, 0
        self._fragment_begin: int | None = None
        self._segments_s: dict[int, Fraction] = {}
        self._leaves: dict[bytes, Callable[[Box], None]] = {
            b"mvhd": self._movie_header,
            b"tkhd": self._track_header,
            b"mdhd": self._media_header,
            b"hdlr": self._handler,
            b"stsd": self._sample_descriptions,
            b"stts": self._sample_durations,
            b"ctts": self._time_offsets,
            b"elst": self._edits,
            b"cmov": self._compressed,
            b"mehd": self._fragments_duration,
            b"trex": self._track_defaults,
            b"tfhd": self._fragment_header,
            b"tfdt": self._fragment_time,
            b"trun": self._run,
            b"sidx": self._segment_index,
        }

    def walk(self, begin: int, end: int, depth: int = 0) -> None:
        """Read all boxes in [begin, end)."""
        for box in self._reader.boxes(begin, end):
            self._first = self._first or box.kind
            if self._first not in _FIRST:
                return
            if box.kind == b"trak":
                self._tracks.append(_Track())
            if box.kind in _CONTAINERS and depth < _DEPTH_MAX:
                self.walk(box.begin, box.end, depth + 1)
            elif box.kind in self._leaves:
                self._leaves[box.kind](box)
            if box.kind == b"moov":
                self.is_movie_read = True

    def reads_declaration(self, reader: BoxReader) -> bool:
        """Return whether the file declares its fragments' duration: in mehd, sidx, or mfra at its end."""
        begin = max(0, reader.size_bytes - _TAIL_BOX_BYTES)
        try:
            length = number(reader.take(begin, _TAIL_BOX_BYTES), 12, 4)
            for box in reader.boxes(max(0, reader.size_bytes - length), reader.size_bytes):
                for listed in reader.boxes(box.begin, box.end) if box.kind == b"mfra" else ():
                    if listed.kind == b"tfra":
                        self._random_access(reader.content(listed, _TABLE_BYTES_MAX))
        except BudgetSpent:
            return self._declared
        return self._declared

    def movie(self) -> Movie:
        """Return the largest values that were read; raise a named error where the file is no video."""
        if self._first not in _FIRST:
            raise NotAVideo("the file is no MP4 and no MOV")
        if not self.is_movie_read:
            raise DamagedVideo("the file has no index (moov): the upload is cut off, or was never finished")
        sizes = {size for track in self._tracks if track.is_video for size in track.sizes}
        if not any(track.is_video for track in self._tracks):
            raise NoVideoStream("the file's index names no video track")
        width, height = max(sizes, key=lambda size: mul(*size), default=(0, 0))
        duration_s = self._duration_s()
        if not width or not height or not duration_s:
            raise DamagedVideo("the file's index has no duration or no frame size")
        return Movie(duration_s, width, height)

    def _duration_s(self) -> Fraction:
        movie_ticks = max(self._movie_ticks, *(track.movie_ticks for track in self._tracks))
        smallest = min((scale for track in self._tracks for scale in track.scales), default=1)
        fragments = (
            Fraction(found.most, min(self._scales.get(track, {smallest}), default=smallest))
            for track, found in self._fragments.items()
        )
        return max(
            Fraction(movie_ticks, min(self._movie_scales, default=1)),
            *(track.duration_s for track in self._tracks),
            *fragments,
            *self._segments_s.values(),
        )

    def _fixed(self, box: Box) -> bytes:
        return self._reader.content(box, _FIXED_BYTES_MAX)

    def _table(self, box: Box) -> bytes:
        if box.end - box.begin > _TABLE_BYTES_MAX:
            raise BudgetSpent
        return self._reader.content(box, _TABLE_BYTES_MAX)

    def _movie_header(self, box: Box) -> None:
        scale, ticks = movie_boxes.time_header(self._fixed(box), 4)
        self._movie_scales.add(scale or 1)
        self._movie_ticks = max(self._movie_ticks, ticks)

    def _track_header(self, box: Box) -> None:
        content, track = self._fixed(box), self._tracks[-1]
        track_id, ticks = movie_boxes.time_header(content, 8)
        # The scale may come later: it is the same set.
        self._scales[track_id] = track.scales
        track.movie_ticks = max(track.movie_ticks, ticks)
        track.sizes.add(movie_boxes.shown_size(content))

    def _media_header(self, box: Box) -> None:
        scale, ticks = movie_boxes.time_header(self._fixed(box), 4)
        self._tracks[-1].scales.add(scale or 1)
        self._tracks[-1].ticks = max(self._tracks[-1].ticks, ticks)

    def _handler(self, box: Box) -> None:
        self._tracks[-1].is_video |= self._fixed(box)[8:12] == _VIDEO

    def _sample_descriptions(self, box: Box) -> None:
        # Of other tracks they are meaningless, and are ignored later.
        self._tracks[-1].sizes |= set(movie_boxes.coded_sizes(self._table(box)))

    def _sample_durations(self, box: Box) -> None:
        self._tracks[-1].table_ticks += movie_boxes.summed_durations(self._table(box))

    def _time_offsets(self, box: Box) -> None:
        track = self._tracks[-1]
        track.latest_offset = max(track.latest_offset, movie_boxes.latest_offset(self._table(box)))

    def _edits(self, box: Box) -> None:
        track = self._tracks[-1]
        track.movie_ticks = max(track.movie_ticks, movie_boxes.summed_edits(self._table(box)))

    def _compressed(self, _: Box) -> None:
        raise UnsupportedVideo(f"the file's index is compressed. {REMUX}")

    def _fragments_duration(self, box: Box) -> None:
        ticks = movie_boxes.fragments_duration(self._fixed(box))
        self._declared |= bool(ticks)
        self._movie_ticks = max(self._movie_ticks, ticks)

    def _track_defaults(self, box: Box) -> None:
        content = self._fixed(box)
        self._default_ticks[number(content, 4, 4)] = number(content, 12, 4)

    def _fragment_header(self, box: Box) -> None:
        self._fragment_track, ticks = movie_boxes.fragment_header(self._fixed(box))
        default = self._default_ticks.get(self._fragment_track, 0)
        self._fragment_ticks = default if ticks is None else ticks
        self._fragment_begin = None

    def _fragment_time(self, box: Box) -> None:
        self._fragment_begin = movie_boxes.fragment_time(self._fixed(box))

    def _run(self, box: Box) -> None:
        run = movie_boxes.run(self._table(box), self._fragment_ticks)
        fragments = self._fragments.setdefault(self._fragment_track, _Fragments())
        fragments.add(run, self._fragment_begin)
        if self._fragment_begin is not None:
            self._fragment_begin += run.ticks

    def _segment_index(self, box: Box) -> None:
        track, duration_s = movie_boxes.segment_index(self._table(box))
        self._declared |= bool(duration_s)
        self._segments_s[track] = self._segments_s.get(track, Fraction(0)) + duration_s

    def _random_access(self, content: bytes) -> None:
        track, times = movie_boxes.random_access(content)
        fragments = self._fragments.setdefault(track, _Fragments())
        for begin in times:
            fragments.add(movie_boxes.Run(0, 0), begin)
        self._declared |= bool(times)
