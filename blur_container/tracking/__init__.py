"""Detections in, tracks out: pure functions of times and boxes, without pixels, files or services."""
