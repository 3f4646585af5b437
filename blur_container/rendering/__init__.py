"""Rendering of one video or one segment: tracks, masks and output put together."""
