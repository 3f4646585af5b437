"""Cost: an estimate of what one execution costs, from its own measured seconds and dated list prices."""

from __future__ import annotations

from typing import Any

from chalicelib.contract.prices import Prices, prices_as_of

_MS_PER_MINUTE = 60_000
_MB_PER_GB = 1024


def cost_estimate(
    prices: Prices, seconds: float, memory_mb: int, duration_ms: float, *, by_rekognition: bool
) -> dict[str, Any]:
    """Return dollars for the manifest: Rekognition's minutes, and `seconds` of functions with `memory_mb`.

    Prices are those of x86 in one region, without free tiers; light functions, requests and storage are left
    out, which are under a cent for an hour of video.
    """
    rekognition = prices.rekognition_minute * duration_ms / _MS_PER_MINUTE if by_rekognition else 0.0
    functions = prices.lambda_gb_second * seconds * memory_mb / _MB_PER_GB
    return {
        "prices_as_of": prices_as_of(),
        "rekognition": round(rekognition, 4),
        "container": round(functions, 4),
        "total": round(rekognition + functions, 4),
    }
