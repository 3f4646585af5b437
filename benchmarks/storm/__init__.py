"""Hundreds of uploads at once: `python -m benchmarks.storm`."""
