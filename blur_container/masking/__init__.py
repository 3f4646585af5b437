"""Boxes to pixels: the regions of a frame, and what blurs them."""
