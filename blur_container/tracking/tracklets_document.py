"""The tracks document: the window of a layout that one segment is drawn from, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any

from blur_container.settings import TrackSettings
from blur_container.timing import Section
from blur_container.tracking.gap_links import GapLink, Tracklet
from blur_container.tracking.tracklets import TrackletGraph
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.faces import LATEST_MS, Box, Detection
from chalicelib.contract.fields import (
    count_field,
    finite,
    parse_object,
    require_object,
    require_version,
    shown,
    text_field,
)

TRACKS_VERSION = 1
_WHAT = "the tracks document"
_NUMBERS = 6
_ENDS = 2


@dataclass(frozen=True)
class TracksDocument:
    """A window of the layout of one source, and the same of other readings of its times, if there are any.

    Settings are not in the document.
    """

    source_id: str
    graph: TrackletGraph
    others: tuple[TrackletGraph, ...] = ()

    def to_json(self) -> str:
        """Return the document as JSON text.

        A detection is [ms, left, top, width, height, percent]; a name is one too, or null for the first
        detection of its chain; a bridge is two numbers of detections, counted through all chains.
        """
        document = {
            "version": TRACKS_VERSION,
            "source_id": self.source_id,
            "section_ms": list(self.graph.section),
            "interval_ms": self.graph.interval_ms,
            **_graph_to_json(self.graph),
            "others": [_graph_to_json(other) for other in self.others],
        }
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, settings: TrackSettings) -> TracksDocument:
        """Return the document in `text`; raise InvalidDocument where it breaks the contract."""
        document = parse_object(text, _WHAT)
        require_version(document, TRACKS_VERSION, _WHAT)
        section = _section(_list(document.get("section_ms"), "section_ms", _ENDS))
        interval_ms = count_field(document, "interval_ms")
        if not interval_ms:
            raise InvalidDocument("interval_ms must not be zero")
        graph, *others = (
            _graph(fields, interval_ms, section, settings)
            for fields in (document, *_list(document.get("others"), "others"))
        )
        return cls(text_field(document, "source_id"), graph, tuple(others))


def _graph_to_json(graph: TrackletGraph) -> dict[str, Any]:
    lengths = [0, *(len(faces) for faces in graph.tracklets)]
    # A chain without its own first detection can have no bridge to its first one.
    first = {faces[0]: at for faces, at in zip(graph.tracklets, accumulate(lengths), strict=False)}
    last = {faces[-1]: at - 1 for faces, at in zip(graph.tracklets, accumulate(lengths[1:]), strict=True)}
    return {
        "tracklets": [[_to_json(face) for face in faces] for faces in graph.tracklets],
        "names": [
            None if name == faces[0] else _to_json(name)
            for name, faces in zip(graph.names, graph.tracklets, strict=True)
        ],
        "gap_links": [[last[end], first[start]] for end, start in graph.gap_links],
    }


def _graph(entry: Any, interval_ms: int, section: Section, settings: TrackSettings) -> TrackletGraph:
    fields = require_object(entry, "a layout")
    tracklets = tuple(_tracklet(faces) for faces in _list(fields.get("tracklets"), "tracklets"))
    return TrackletGraph(
        interval_ms=interval_ms,
        tracklets=tracklets,
        gap_links=_gap_links(_list(fields.get("gap_links"), "gap_links"), tracklets),
        settings=settings,
        names=_names(_list(fields.get("names"), "names"), tracklets),
        section=section,
    )


def _to_json(face: Detection) -> list[float]:
    return [face.time_ms, *face.box.to_json(), face.confidence]


def _list(value: Any, what: str, length: int | None = None) -> list[Any]:
    if not isinstance(value, list) or length not in (None, len(value)):
        raise InvalidDocument(f"{what} must be a list of the right length")
    return value


def _section(ends: list[Any]) -> Section:
    section = Section(*(finite(end, "section_ms") for end in ends))
    if section.start_ms > section.end_ms:
        raise InvalidDocument("section_ms must not end before it begins")
    return section


def _tracklet(entry: Any) -> Tracklet:
    faces = tuple(_detection(numbers) for numbers in _list(entry, "a chain"))
    if not faces or any(later.time_ms <= earlier.time_ms for earlier, later in pairwise(faces)):
        raise InvalidDocument("a chain must hold detections in the order of their times")
    return faces


def _detection(entry: Any) -> Detection:
    time_ms, *box, confidence = _list(entry, "a detection", _NUMBERS)
    if isinstance(time_ms, bool) or not isinstance(time_ms, int) or not 0 <= time_ms <= LATEST_MS:
        raise InvalidDocument(f"a detection's time must be whole ms up to {LATEST_MS}, not {shown(time_ms)}")
    return Detection(time_ms, Box.from_json(box), finite(confidence, "confidence"))


def _names(entries: Sequence[Any], tracklets: Sequence[Tracklet]) -> tuple[Detection, ...]:
    if len(entries) != len(tracklets):
        raise InvalidDocument(f"{len(entries)} names do not fit {len(tracklets)} tracklets")
    pairs = zip(entries, tracklets, strict=True)
    return tuple(faces[0] if entry is None else _detection(entry) for entry, faces in pairs)


def _gap_links(entries: Sequence[Any], tracklets: Sequence[Tracklet]) -> tuple[GapLink, ...]:
    every = list(chain.from_iterable(tracklets))
    return tuple(_bridge(_list(entry, "a bridge", _ENDS), every) for entry in entries)


def _bridge(numbers: list[Any], every: Sequence[Detection]) -> GapLink:
    if any(isinstance(number, bool) or number not in range(len(every)) for number in numbers):
        raise InvalidDocument(f"a bridge must lead between two detections, not {shown(numbers)}")
    end, start = (every[int(number)] for number in numbers)
    if start.time_ms <= end.time_ms:
        raise InvalidDocument("a bridge must lead to a later detection")
    return end, start
