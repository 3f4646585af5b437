"""Measure the cost of rendering against a plain transcode: `python -m benchmarks.render`."""
