"""Plans and records that nobody honest would write: what the fuzz of the functions found, and what it could."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

from blur_container.plan import Plan
from blur_container.span import Span
from blur_container.timeline import Clock
from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.faces import VideoDescription

PLAN = Plan(
    source_id="id",
    analysed=VideoDescription("h264", 1000, 30.0, 160, 96),
    frames=12,
    clock=Clock(0, Fraction(1, 15360)),
    duration_ms=400,
    spans=(Span(0, 0, 0, 2048, 2048), Span(2048, 2048, 2048)),
)


def plan_with(**changed: Any) -> str:
    """Return the plan with other values in it."""
    return json.dumps({**json.loads(PLAN.to_json()), **changed})


@pytest.mark.parametrize("time_base", ["1e999999999", "1e-999999999", "0", "0/1", "-1/15360", "1/0", "x", ""])
def test_time_base_that_no_video_has_is_refused(time_base: str) -> None:
    """At once: ten to the power of a billion would take the function's 15 minutes to be written down."""
    with pytest.raises(InvalidDocument, match="time_base"):
        Plan.from_json(plan_with(time_base=time_base))
