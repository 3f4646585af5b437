"""What rendering costs, against a plain transcode: `python -m benchmarks.render`."""
