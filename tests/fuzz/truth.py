"""Check the output of a mutated clip: its frames are complete, and known faces are covered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from tests.checks.readback import Shown, detail, shown_frames
from tests.clips import Clip

# Detail of a covered face: the clip's texture has 60 and more, its background near 2, a lossy mosaic less.
_GONE = 25
_MEMORY_S = 0.001


@dataclass(frozen=True)
class Truth:
    """A clip, its file, and a mutant of it; `covered` unless the mutation may have removed faces."""

    clip: Clip
    content: bytes
    mutant: bytes
    covered: bool = True

    def complaint(self, outputs: Mapping[str, bytes], folder: Path) -> str:
        """Return what is wrong with the outputs of one upload, or an empty text."""
        videos = [content for key, content in outputs.items() if not key.endswith(".json")]
        if len(videos) != 1 or len(outputs) != 2:
            return f"outputs {sorted(outputs)}"
        shown = _frames(folder / "output.mp4", videos[0])
        # FFmpeg shows nothing of an edit of length zero, which ends with its track.
        options = {"advanced_editlist": "0"} if _has_edit_without_length(self.mutant) else {}
        source = _frames(folder / "mutant.mp4", self.mutant, options)
        if shown is None:
            return "an output that cannot be read"
        if source is not None:
            # Of frames with one time players show the last, and so does the output.
            source = list({frame.time: frame for frame in source}.values())
            if len(source) != len(shown):
                return f"{len(shown)} frames of {len(source)}"
        uncovered = sum(1 for face in self._faces(source or [], shown, folder) if face > _GONE)
        if not (uncovered and self.covered):
            return ""
        return f"uncovered face in {uncovered} frames of {len(shown)}"

    def _faces(self, source: list[Shown], shown: list[Shown], folder: Path) -> Iterator[float]:
        """Yield the detail of each face in output frames whose source frame is the clip's."""
        clean = _frames(folder / "clean.mp4", self.content) or []
        for one, other, seen, pts in zip(clean, source, shown, self.clip.times, strict=False):
            is_same = one.luma.shape == other.luma.shape and np.array_equal(one.luma, other.luma)
            late = abs((other.time - source[0].time) - (one.time - clean[0].time))
            if is_same and late < _MEMORY_S:
                for box in self.clip.boxes(pts):
                    yield detail(seen.luma, box) if seen.luma.shape == one.luma.shape else 255.0


def _has_edit_without_length(content: bytes) -> bool:
    """Return whether an edit list begins with an edit that lasts for no time."""
    lists = (content[match.end() : match.end() + 16] for match in re.finditer(b"elst", content))
    return any(not any(one[8 : 16 if one[:1] == b"\x01" else 12]) for one in lists if len(one) == 16)


def _frames(path: Path, content: bytes, options: Mapping[str, str] | None = None) -> list[Shown] | None:
    path.write_bytes(content)
    try:
        return shown_frames(path, options)
    except (av.FFmpegError, ValueError, TypeError, IndexError, OverflowError):
        return None
