"""Measure the share of faces that stays uncovered between detections: `python -m benchmarks.leak`."""
