"""Measurements: each a command that prints its table; README.md here holds figures with machine and date."""
