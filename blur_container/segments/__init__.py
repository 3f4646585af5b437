"""Segments: plan them, record them, and concatenate them to one video."""
