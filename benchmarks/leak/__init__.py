"""How much of the faces stays uncovered between detections: `python -m benchmarks.leak`."""
