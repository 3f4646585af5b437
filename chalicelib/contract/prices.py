"""Read AWS's prices from prices.json, a dated file."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

PRICES = Path(__file__).with_name("prices.json")


@dataclass(frozen=True)
class Prices:
    """Prices in US dollars; prices.json has the unit and the source of each."""

    lambda_gb_second: float
    lambda_request: float
    lambda_storage_gb_second: float
    states_transition: float
    s3_get: float
    s3_put: float
    rekognition_minute: float

    @classmethod
    def read(cls, path: Path = PRICES) -> Prices:
        """Return the prices in the JSON file `path`; raise KeyError where one is missing."""
        listed = json.loads(path.read_text(encoding="utf-8"))["prices"]
        return cls(**{field.name: float(listed[field.name]["usd"]) for field in fields(cls)})


def prices_as_of(path: Path = PRICES) -> str:
    """Return the month of the prices in the JSON file `path`."""
    return str(json.loads(path.read_text(encoding="utf-8"))["as_of"])
