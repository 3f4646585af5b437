"""Segments against one function: `python -m benchmarks.scale`."""
