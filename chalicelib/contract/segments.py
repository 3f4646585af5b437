"""Segments: the parts of a video that several functions render, and their keys in the work bucket.

    executions/<name>/pages/<digest>.json        faces of some pages, until all are read
    executions/<name>/faces.json
    executions/<name>/<plan>/plan.json           where each segment begins and ends
    executions/<name>/<plan>/<n>.tracks.json     the faces of segment n
    executions/<name>/<plan>/<n>-<try>.mp4       its rendered frames
    executions/<name>/<plan>/<n>.json            what was rendered; there once the segment is finished
    executions/<name>/<plan>/<try>.mp4           the joined video, before it is verified

`<plan>` is a hash of all that decides what is rendered: other settings reuse no segments of an earlier run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.fields import count_field, require_object, shown
from chalicelib.contract.objects import ObjectReference


@dataclass(frozen=True)
class Segments:
    """The segments of a job: their plan, their numbers from 0, and the number rendered at once."""

    plan: ObjectReference
    numbers: tuple[int, ...]
    at_once: int

    def to_json(self) -> dict[str, Any]:
        """Return the segments as a JSON object."""
        return {"plan": self.plan.to_json(), "numbers": list(self.numbers), "at_once": self.at_once}

    @classmethod
    def from_json(cls, value: Any) -> Segments:
        """Return the segments in `value`; raise InvalidDocument where it breaks the contract."""
        fields = require_object(value, "segments")
        numbers = fields.get("numbers")
        if not isinstance(numbers, list) or numbers != list(range(len(numbers))) or not numbers:
            raise InvalidDocument(f"numbers must be a list that counts from 0, not {shown(numbers)}")
        return cls(
            ObjectReference.from_json(fields.get("plan")), tuple(numbers), count_field(fields, "at_once")
        )


@dataclass(frozen=True)
class SegmentTask:
    """The input of one function of the state machine's Map: a job, and the number of a segment."""

    job: dict[str, Any]
    segment: int

    @classmethod
    def from_json(cls, value: Any) -> SegmentTask | None:
        """Return the task in `value`, or None where that is a job without a segment."""
        fields = require_object(value, "the payload")
        if "segment" not in fields:
            return None
        return cls(require_object(fields.get("job"), "job"), count_field(fields, "segment"))


@dataclass(frozen=True)
class SegmentKeys:
    """The keys below one plan."""

    folder: str

    @property
    def plan(self) -> str:
        """Return the key of the plan."""
        return f"{self.folder}plan.json"

    def tracks(self, number: int) -> str:
        """Return the key of the tracks document of a segment."""
        return f"{self.folder}{number}.tracks.json"

    def video(self, number: int, attempt: str) -> str:
        """Return the key of a rendered segment; each attempt has its own, so that two are never mixed."""
        return f"{self.folder}{number}-{attempt}.mp4"

    def report(self, number: int) -> str:
        """Return the key of the record of a finished segment."""
        return f"{self.folder}{number}.json"

    def joined(self, attempt: str) -> str:
        """Return the key of the joined video before its verification."""
        return f"{self.folder}{attempt}.mp4"

    @classmethod
    def beside(cls, plan: ObjectReference) -> SegmentKeys:
        """Return the keys below the plan at `plan`."""
        return cls(plan.key.removesuffix("plan.json"))
