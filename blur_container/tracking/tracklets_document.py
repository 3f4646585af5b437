"""The tracks document: the window of the tracklet graph that one segment is blurred by, as JSON."""

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

TRACKS_VERSION = 2
_NAME = "the tracks document"
_NUMBERS = 6
_ENDS = 2


@dataclass(frozen=True)
class TracksDocument:
    """A window of the tracklet graph of one source; `others` are the same at other time origins, if any.

    Settings are not in the document: the reader gives its own.
    """

    source_id: str
    graph: TrackletGraph
    others: tuple[TrackletGraph, ...] = ()

    def to_json(self) -> str:
        """Return the document as JSON text.

        A detection is [ms, left, top, width, height, percent]. A name is a detection too, or null for the
        first one of its tracklet. A gap link is two indices of detections, counted through all tracklets.
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
        """Return the document in `text`; raise InvalidDocument if it breaks the contract."""
        document = parse_object(text, _NAME)
        require_version(document, TRACKS_VERSION, _NAME)
        ends = _list(document.get("section_ms"), "section_ms", _ENDS)
        section = Section(*(finite(end, "section_ms") for end in ends))
        if section.start_ms > section.end_ms:
            raise InvalidDocument("section_ms must not end before it begins")
        interval_ms = count_field(document, "interval_ms")
        if not interval_ms:
            raise InvalidDocument("interval_ms must not be zero")
        graph, *others = (
            _graph_from_json(fields, interval_ms, section, settings)
            for fields in (document, *_list(document.get("others"), "others"))
        )
        return cls(text_field(document, "source_id"), graph, tuple(others))


def _graph_to_json(graph: TrackletGraph) -> dict[str, Any]:
    lengths = [0, *(len(faces) for faces in graph.tracklets)]
    # A tracklet that is cut at the start of the window can have no gap link to its first detection.
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


def _graph_from_json(
    entry: Any, interval_ms: int, section: Section, settings: TrackSettings
) -> TrackletGraph:
    fields = require_object(entry, "a tracklet graph")
    tracklets = tuple(_tracklet(faces) for faces in _list(fields.get("tracklets"), "tracklets"))
    every = list(chain.from_iterable(tracklets))
    links = _list(fields.get("gap_links"), "gap_links")
    gap_links = tuple(_gap_link(_list(link, "a gap link", _ENDS), every) for link in links)
    names = _list(fields.get("names"), "names")
    if len(names) != len(tracklets):
        raise InvalidDocument(f"{len(names)} names do not fit {len(tracklets)} tracklets")
    return TrackletGraph(
        interval_ms=interval_ms,
        tracklets=tracklets,
        gap_links=gap_links,
        settings=settings,
        names=tuple(
            faces[0] if name is None else _detection(name)
            for name, faces in zip(names, tracklets, strict=True)
        ),
        section=section,
    )


def _to_json(face: Detection) -> list[float]:
    return [face.time_ms, *face.box.to_json(), face.confidence]


def _list(value: Any, name: str, length: int | None = None) -> list[Any]:
    if not isinstance(value, list) or length not in (None, len(value)):
        raise InvalidDocument(f"{name} must be a list of the right length")
    return value


def _tracklet(entry: Any) -> Tracklet:
    faces = tuple(_detection(numbers) for numbers in _list(entry, "a tracklet"))
    if not faces or any(later.time_ms <= earlier.time_ms for earlier, later in pairwise(faces)):
        raise InvalidDocument("a tracklet must be a list of detections in the order of their times")
    return faces


def _detection(entry: Any) -> Detection:
    time_ms, *box, confidence = _list(entry, "a detection", _NUMBERS)
    if isinstance(time_ms, bool) or not isinstance(time_ms, int) or not 0 <= time_ms <= LATEST_MS:
        raise InvalidDocument(f"a detection's time must be whole ms up to {LATEST_MS}, not {shown(time_ms)}")
    return Detection(time_ms, Box.from_json(box), finite(confidence, "confidence"))


def _gap_link(indices: list[Any], every: Sequence[Detection]) -> GapLink:
    if any(isinstance(index, bool) or index not in range(len(every)) for index in indices):
        raise InvalidDocument(f"a gap link must be the indices of two detections, not {shown(indices)}")
    end, start = (every[int(index)] for index in indices)
    if start.time_ms <= end.time_ms:
        raise InvalidDocument("a gap link must lead to a later detection")
    return end, start
