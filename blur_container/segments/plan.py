"""The plan: the begin and end of each segment of a video, for the functions that render them."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from blur_container.analysis.time_origins import FROM_FIRST_FRAME, TimeOrigins
from blur_container.reading.timestamps import DecodeRange
from blur_container.segments.renderer_version import RendererVersion
from blur_container.timing import Clock, Section
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.faces import VideoDescription
from chalicelib.contract.fields import (
    count_field,
    flag_field,
    optional_whole_field,
    parse_object,
    require_object,
    require_version,
    shown,
    text_field,
    whole_field,
)

PLAN_VERSION = 2
# Later than the end of any video.
_NEVER_MS = 1e12
_TIME_BASE = re.compile(r"[1-9][0-9]{0,9}(/[1-9][0-9]{0,9})?")


@dataclass(frozen=True)
class Plan:
    """The segments of the video `source_id`: their ranges, and the number of frames in all of them.

    `clock` converts their times to those of detections; `duration_ms` is the approximate length of the video;
    `analysed` is the detector's description of it; `origins` are the possible zeros of its times. Only
    `renderer` may render it.
    """

    source_id: str
    analysed: VideoDescription
    frames: int
    clock: Clock
    duration_ms: int
    spans: tuple[DecodeRange, ...]
    renderer: RendererVersion
    origins: TimeOrigins = FROM_FIRST_FRAME

    def section(self, number: int) -> Section:
        """Return a segment's section, by its number from 0; that of the last one ends after any video."""
        decode_range = self.spans[number]
        end_ms = _NEVER_MS if decode_range.end_pts is None else float(self.clock.ms(decode_range.end_pts))
        return Section(float(self.clock.ms(decode_range.start_pts)), end_ms)

    def to_json(self) -> str:
        """Return the plan as JSON text."""
        document = {
            "version": PLAN_VERSION,
            "source_id": self.source_id,
            "analysed": self.analysed.to_json(),
            "frames": self.frames,
            "first_pts": self.clock.first_pts,
            "time_base": str(self.clock.time_base),
            "duration_ms": self.duration_ms,
            "offsets_ms": list(self.origins.offsets_ms),
            "segments": [asdict(decode_range) for decode_range in self.spans],
            "renderer": self.renderer.to_json(),
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Return the plan in `text`; raise InvalidDocument if it breaks the contract."""
        document = parse_object(text, "the plan")
        require_version(document, PLAN_VERSION, "the plan")
        segments = document.get("segments")
        if not isinstance(segments, list) or not segments:
            raise InvalidDocument("segments must be a list that is not empty")
        spans = tuple(_range_from_json(entry) for entry in segments)
        time_base = text_field(document, "time_base")
        # Fraction() alone would accept 1e999999999, and compute every digit of it.
        if not _TIME_BASE.fullmatch(time_base):
            raise InvalidDocument(f"time_base must be a fraction over zero, not {shown(time_base)}")
        if spans[-1].end_pts is not None or any(
            one.end_pts != other.start_pts for one, other in pairwise(spans)
        ):
            raise InvalidDocument("segments must follow each other, the last one without an end")
        return cls(
            source_id=text_field(document, "source_id"),
            analysed=VideoDescription.from_json(document.get("analysed")),
            frames=count_field(document, "frames"),
            clock=Clock(whole_field(document, "first_pts"), Fraction(time_base)),
            duration_ms=count_field(document, "duration_ms"),
            spans=spans,
            renderer=RendererVersion.from_json(document.get("renderer")),
            origins=TimeOrigins.from_json(document.get("offsets_ms")),
        )


def _range_from_json(entry: Any) -> DecodeRange:
    fields = require_object(entry, "a segment")
    decode_range = DecodeRange(
        key_pts=whole_field(fields, "key_pts"),
        key_dts=whole_field(fields, "key_dts"),
        start_pts=whole_field(fields, "start_pts"),
        end_pts=optional_whole_field(fields, "end_pts"),
        stop_dts=optional_whole_field(fields, "stop_dts"),
        open=flag_field(fields, "open"),
    )
    if decode_range.key_pts > decode_range.start_pts or (
        decode_range.end_pts is not None and decode_range.end_pts <= decode_range.start_pts
    ):
        raise InvalidDocument(f"a segment cannot go from {decode_range.start_pts} to {decode_range.end_pts}")
    return decode_range
