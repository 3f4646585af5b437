"""Ground truth: the box of every face in every frame of a clip, and the faces' appearances."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from blur_container.geometry import Size, visible_share
from blur_container.timing import Clock
from chalicelib.contract.faces import Box

# A face that is mostly hidden, or mostly outside the frame, cannot be recognised and does not count.
_HIDDEN_MAX = 0.5
_INSIDE_MIN = 0.25
# A detector sees a face of which half is inside the frame.
_DETECTABLE_INSIDE_MIN = 0.5


@dataclass(frozen=True, slots=True)
class TrueFace:
    """One face in one frame; `hidden` is the share of the visible box behind something else.

    `face` is a number that stays with the face through a shot and is used in no other shot.
    """

    face: int
    box: Box
    hidden: float = 0.0

    @property
    def inside(self) -> float:
        """Return the share of the box inside the frame."""
        return visible_share(self.box)

    @property
    def counts(self) -> bool:
        """Return whether this is a face-frame: a quarter inside the frame, no more than half hidden."""
        return self.hidden <= _HIDDEN_MAX and self.inside >= _INSIDE_MIN

    @property
    def is_detectable(self) -> bool:
        """Return whether a perfect detector sees the face in this frame."""
        return self.hidden <= _HIDDEN_MAX and self.inside >= _DETECTABLE_INSIDE_MIN


@dataclass(frozen=True)
class TrueFrame:
    """One frame: its pts and all faces in it, including faces that do not count."""

    pts: int
    faces: tuple[TrueFace, ...]


@dataclass(frozen=True)
class Truth:
    """All frames of one clip, in presentation order."""

    name: str
    kind: str
    size: Size
    time_base: Fraction
    frames: tuple[TrueFrame, ...]

    @property
    def clock(self) -> Clock:
        """Return the clock that converts the clip's pts into milliseconds."""
        return Clock(self.frames[0].pts, self.time_base)

    def time_ms(self, index: int) -> int:
        """Return the whole milliseconds at which a detector reports a frame."""
        return int(self.clock.ms(self.frames[index].pts))

    def to_json(self) -> str:
        """Return the truth as JSON text."""
        return json.dumps(
            {
                "name": self.name,
                "kind": self.kind,
                "size": [self.size.width, self.size.height],
                "time_base": str(self.time_base),
                "frames": [
                    [frame.pts, [_face_numbers(face) for face in frame.faces]] for frame in self.frames
                ],
            }
        )

    @classmethod
    def read(cls, path: Path) -> Truth:
        """Return the ground truth from the JSON file `path`."""
        document = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            document["name"],
            document["kind"],
            Size(*document["size"]),
            Fraction(document["time_base"]),
            tuple(
                TrueFrame(pts, tuple(TrueFace(face, Box(*box), hidden) for face, box, hidden in faces))
                for pts, faces in document["frames"]
            ),
        )


@dataclass(frozen=True)
class Appearance:
    """A longest run of consecutive frames in which one face counts: indices [begin, end)."""

    face: int
    begin: int
    end: int


def appearances(truth: Truth) -> list[Appearance]:
    """Return all appearances of a clip, face after face."""
    counting: defaultdict[int, list[int]] = defaultdict(list)
    for index, frame in enumerate(truth.frames):
        for seen in frame.faces:
            if seen.counts:
                counting[seen.face].append(index)
    return [Appearance(face, *run) for face, indices in counting.items() for run in _runs(indices)]


def _runs(indices: list[int]) -> list[tuple[int, int]]:
    """Return the half-open runs of consecutive numbers in ascending `indices`."""
    runs: list[tuple[int, int]] = []
    for index in indices:
        if runs and runs[-1][1] == index:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs


def _face_numbers(seen: TrueFace) -> list[object]:
    box = seen.box
    numbers = [round(number, 6) for number in (box.left, box.top, box.width, box.height)]
    return [seen.face, numbers, round(seen.hidden, 4)]
