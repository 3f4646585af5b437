"""The container Lambda: renders videos with every face covered."""

__version__ = "0.1.0"
