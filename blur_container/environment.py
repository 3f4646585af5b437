"""Environment: read and check the values of variables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.contract.errors import ConfigurationError


@dataclass(frozen=True)
class EnvironmentReader:
    """Reads values of the environment; a missing or empty one gives the default."""

    environment: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return a value; raise ConfigurationError if it is not set."""
        value = self.environment.get(name, "")
        if not value:
            raise ConfigurationError(f"{name} is not set")
        return value

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """Return one of `choices`; raise ConfigurationError for any other value."""
        value = self.environment.get(name) or default
        if value not in choices:
            raise ConfigurationError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Return a number from `low` to `high`; raise ConfigurationError for any other value."""
        text = self.environment.get(name) or str(default)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ConfigurationError(f"{name} must be a number from {low} to {high}, not {text!r}")
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`; raise ConfigurationError for any other value."""
        value = self.number(name, default, low, high)
        if not value.is_integer():
            raise ConfigurationError(f"{name} must be a whole number, not {value}")
        return int(value)
