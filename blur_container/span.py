"""Spans: stretches of a video in its own time base."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A stretch of a video, in its time base: frames from `start_pts` up to `end_pts`, or to the last.

    Decoding begins at the keyframe with `key_pts` and `key_dts`; no packet from `stop_dts` on is needed, if
    it is told. Where that keyframe is `open`, frames behind it may refer to some before it: they are shown
    before it too, and cannot be decoded.
    """

    key_pts: int
    key_dts: int
    start_pts: int
    end_pts: int | None = None
    stop_dts: int | None = None
    open: bool = False

    def holds(self, pts: int) -> bool:
        """Return whether a frame with `pts` is shown in this stretch."""
        return self.start_pts <= pts and (self.end_pts is None or pts < self.end_pts)

    def is_over(self, pts: int) -> bool:
        """Return whether no frame from `pts` on is shown in this stretch."""
        return self.end_pts is not None and pts >= self.end_pts
