"""Textures: smooth noise of a fixed seed, which can be followed, and coarse enough to survive encoding."""

from __future__ import annotations

import cv2
import numpy as np

from blur_container.geometry import Picture


def noise(size: tuple[int, int], seed: int, grain_px: float, low: int = 16, high: int = 240) -> Picture:
    """Return uint8 (height, width) of `size` (width, height), from `low` to `high`."""
    width, height = size
    rough = np.random.default_rng(seed).random((height, width), np.float32)
    smooth = np.asarray(cv2.GaussianBlur(rough, (0, 0), grain_px), np.float32)
    span = max(float(np.ptp(smooth)), 1e-6)
    return np.asarray((smooth - smooth.min()) / span * (high - low) + low, np.uint8)
