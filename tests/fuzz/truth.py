"""Truth: what an output must show, as far as it is still known of a mutated clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from tests.checks.readback import Shown, detail, shown_frames
from tests.clips import Clip

# The clip's texture has 60 and more, its smooth background near 2; a lossy mosaic of 5 cells stays below.
_GONE = 25
_MEMORY_S = 0.001


@dataclass(frozen=True)
class Truth:
    """A clip, its file, and the mutant of it; `covered` unless the mutant says where faces are."""

    clip: Clip
    content: bytes
    mutant: bytes
    covered: bool = True

    def complaint(self, outputs: Mapping[str, bytes], folder: Path) -> str:
        """Return what is wrong with the outputs of one upload, or nothing."""
        videos = [content for key, content in outputs.items() if not key.endswith(".json")]
        if len(videos) != 1 or len(outputs) != 2:
            return f"outputs {sorted(outputs)}"
        shown = _frames(folder / "output.mp4", videos[0])
        source = _frames(folder / "mutant.mp4", self.mutant)
        if shown is None:
            return "an output that cannot be read"
        if source is not None and len(source) != len(shown):
            return f"{len(shown)} frames of {len(source)}"
        bare = sum(1 for face in self._faces(source or [], shown, folder) if face > _GONE)
        return f"a bare face in {bare} frames of {len(shown)}" if bare and self.covered else ""

    def _faces(self, source: list[Shown], shown: list[Shown], folder: Path) -> Iterator[float]:
        """Yield the detail of the face in each frame that the mutant shows as the clip does, and when."""
        clean = _frames(folder / "clean.mp4", self.content) or []
        for one, other, seen, pts in zip(clean, source, shown, self.clip.times, strict=False):
            is_same = one.luma.shape == other.luma.shape and np.array_equal(one.luma, other.luma)
            late = abs((other.time - source[0].time) - (one.time - clean[0].time))
            if is_same and late < _MEMORY_S:
                for box in self.clip.boxes(pts):
                    yield detail(seen.luma, box) if seen.luma.shape == one.luma.shape else 255.0


def _frames(path: Path, content: bytes) -> list[Shown] | None:
    path.write_bytes(content)
    try:
        return shown_frames(path)
    except (av.FFmpegError, ValueError, TypeError, IndexError, OverflowError):
        return None
