"""The estimate of what one execution costs."""

from __future__ import annotations

from blur_container.rendering.cost import cost_estimate
from blur_container.rendering.progress import seconds_of
from chalicelib.contract.prices import Prices

MINUTE_MS = 60_000


def test_rekognition_and_the_functions_are_added_up() -> None:
    """Ten minutes of video, and a thousand seconds of a function with a GB."""
    found = cost_estimate(Prices.read(), 1000, 1024, 10 * MINUTE_MS, by_rekognition=True)

    assert found == {"prices_as_of": "2026-11", "rekognition": 1.0, "container": 0.0167, "total": 1.0167}


def test_without_rekognition_its_minutes_cost_nothing() -> None:
    """The container's detector is part of the functions' seconds."""
    found = cost_estimate(Prices.read(), 1000, 1024, 10 * MINUTE_MS, by_rekognition=False)

    assert (found["rekognition"], found["total"]) == (0.0, found["container"])


def test_seconds_of_all_steps_are_added_up() -> None:
    """Bytes and other facts of a step are none."""
    assert seconds_of({"render": {"seconds": 2.5, "bytes": 100}, "verify": {"seconds": 1.0}}) == 3.5
