"""Locating: a first look at the frames around detections, at low resolution, before anything is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from blur_container.cuts import CutFinder
from blur_container.detector import DetectorSettings, FaceDetector
from blur_container.frames import read_ahead
from blur_container.layout import Layout
from blur_container.lens import Lens
from blur_container.paths import Chase, Path
from blur_container.pursuits import NEAR_MS, Pursuits
from blur_container.reduced import Moment, ReducedFrames, Skip, open_decoder
from blur_container.settings import Refine, RenderSettings
from blur_container.sightings import Cut, Sightings
from blur_container.source import Source
from blur_container.tracks import Tracks
from blur_container.video import decoded_frames, open_source, time_base, video_stream
from chalicelib.contract.faces import Detection, FacesDocument

# A gap longer than this between two looks is jumped over.
_JUMP_MS = 2000
_PERCENT = 100
# Reduced pictures that wait for those who follow faces in them.
_AHEAD = 6
# Nearer pictures are not told apart by whole milliseconds, and a cut between them would hide both.
_APART_MS = 2
# How much the luma of a 64x36 thumbnail changes in a millisecond, in steps of 256, where it is enough to
# look at the frames that others refer to: about half of them.
_CALM = 0.03


def locate(
    source: Source,
    faces: FacesDocument,
    settings: RenderSettings,
    looked: Callable[[int, int], None] = lambda _done, _all: None,
) -> Tracks:
    """Return the tracks of `faces` in the video in `source`, each followed from frame to frame.

    Only frames near detections are decoded. `looked` is told how many frames were passed, of how many.
    Raise DamagedVideo where one cannot be decoded.
    """
    trusted = [face for face in faces.detections if face.confidence >= settings.min_confidence]
    if not settings.follow_faces:
        return Tracks.of(trusted, settings.tracks.blind())
    layouts = [Layout.of(trusted, settings.tracks)]
    look = _Look(source, faces, settings, looked)
    if settings.refine is Refine.DETECTOR:
        layouts.append(Layout.of(look.for_faces(), settings.tracks))
    chases = [chase for layout in layouts for chase in layout.chases()]
    return Tracks(layouts, look.at(chases)) if chases else Tracks(layouts)


class _Look:
    """A first look at one source; each of its methods opens it anew."""

    def __init__(
        self,
        source: Source,
        faces: FacesDocument,
        settings: RenderSettings,
        looked: Callable[[int, int], None],
    ) -> None:
        self._source, self._faces, self._settings, self._looked = source, faces, settings, looked

    def at(self, chases: Sequence[Chase]) -> Sightings:
        """Return what is seen where `chases` lead."""
        samples_ms = sorted({chase.start.time_ms for chase in chases})
        notes = _Notes()
        with self._frames(samples_ms) as (frames, lens):
            for stretch in _stretches(chases):
                notes.take(frames, stretch, lens)
        return Sightings(notes.paths, notes.cuts)

    def for_faces(self) -> list[Detection]:
        """Return the faces that the container's own detector finds, now and then through all of the video."""
        detector = FaceDetector(DetectorSettings(threshold=self._settings.refine_confidence / _PERCENT))
        with self._frames([]) as (frames, lens):
            frames.skip = Skip.UNREFERENCED
            return [
                Detection(round(time_ms), lens.orientation.to_displayed(face.box), face.confidence)
                for time_ms, picture in frames.in_colour(self._settings.refine_interval_ms)
                for face in detector.detect(picture)
            ]

    @contextmanager
    def _frames(self, samples_ms: Sequence[int]) -> Iterator[tuple[ReducedFrames, Lens]]:
        limits, threads = self._settings.limits, self._settings.decoder_threads
        with open_source(self._source, limits) as container:
            stream = video_stream(container)
            first = next(decoded_frames(container, stream, 1, limits))
            lens = Lens.of(first, time_base(stream), self._faces.video)
        with open_source(self._source, limits) as container:
            stream = video_stream(container)
            open_decoder(container, stream, threads, limits)
            yield ReducedFrames(container, stream, lens.clock, samples_ms, self._looked), lens


@dataclass(frozen=True)
class _Notes:
    """What was seen so far."""

    paths: list[tuple[Chase, Path]] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)

    def take(self, frames: ReducedFrames, chases: Sequence[Chase], lens: Lens) -> None:
        """Look at the frames that `chases` lead through: a thread decodes while faces are followed."""
        pursuits = Pursuits(chases, lens.orientation)
        begin_ms = min(chase.begin_ms for chase in chases) - NEAR_MS
        end_ms = max(chase.end_ms for chase in chases) + NEAR_MS
        with closing(read_ahead(_watched(frames, begin_ms, end_ms), _AHEAD)) as watched:
            for moment, cut in watched:
                self.paths.extend(pursuits.see(moment))
                self.cuts.extend([cut] if cut else [])
        self.paths.extend(pursuits.finish())


def _watched(
    frames: ReducedFrames, begin_ms: float, end_ms: float
) -> Generator[tuple[Moment, Cut | None], None, None]:
    """Yield each moment with the cut before it, if there is one; chooses what is left out after it."""
    finder = CutFinder()
    frames.skip = Skip.NOTHING
    before: Moment | None = None
    for moment in frames.between(begin_ms, end_ms):
        begins_shot, cut = finder.begins_shot(moment.picture), None
        if before is not None:
            elapsed_ms = moment.time_ms - before.time_ms
            frames.skip = _skip(elapsed_ms, finder.change)
            if begins_shot and elapsed_ms >= _APART_MS:
                cut = Cut(math.ceil(before.time_ms), math.floor(moment.time_ms))
        yield moment, cut
        before = moment


def _skip(elapsed_ms: float, change: float) -> Skip:
    """Return what can be left out after a picture that differs by `change` from one `elapsed_ms` before."""
    is_lively = change > _CALM * elapsed_ms or elapsed_ms > NEAR_MS
    return Skip.NOTHING if is_lively else Skip.UNREFERENCED


def _stretches(chases: Sequence[Chase]) -> Iterator[list[Chase]]:
    """Yield chases in groups, each with no long gap in time."""
    stretch: list[Chase] = []
    end_ms = -math.inf
    for chase in sorted(chases, key=_begin):
        if stretch and chase.begin_ms > end_ms + _JUMP_MS:
            yield stretch
            stretch = []
        stretch.append(chase)
        end_ms = max(end_ms, chase.end_ms)
    if stretch:
        yield stretch


def _begin(chase: Chase) -> float:
    return chase.begin_ms
