"""The function plan-segments: a job comes in; it goes on as it is, or with the segments of its video."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from blur_container.functions.base import Worker
from blur_container.segments.plan import Plan
from blur_container.segments.planner import Planner
from blur_container.storage.block_cache import BlockCache
from blur_container.timing import Section
from blur_container.tracking.tracklets import tracklet_graph_of
from blur_container.tracking.tracklets_document import TracksDocument
from blur_container.tracking.windows import Windows
from chalicelib.contract.faces import FacesDocument
from chalicelib.contract.job import Job, segment_keys
from chalicelib.contract.objects import ObjectReference
from chalicelib.contract.segments import Segments

# The index is read once, and a few packets at each border.
_KEPT_BYTES = 64 * 1024**2
# How far around it a section looks is told by one that lasts no time.
_NOW = Section(0.0, 0.0)


class PlanSegments(Worker):
    """Writes the plan of one video and the faces of each segment, and nothing where it stays whole."""

    def run(self, job: Job) -> Job:
        """Return `job` with its segments, or as it is where one function renders all of it."""
        with self.log.handling(source=job.source.uri) as facts, self.folder() as folder:
            faces = self.faces(job)
            graph = tracklet_graph_of(faces, self.settings.render)
            with BlockCache(folder, _KEPT_BYTES) as cache:
                source = self.storage.opened(job.source, cache)
                planner = Planner(
                    source=source,
                    size_bytes=job.source.size_bytes,
                    read_bytes=lambda: source.fetched_bytes,
                    faces=faces,
                    margin_ms=-replace(graph, section=_NOW).searched.start_ms,
                    render=self.settings.render,
                    cutting=self.settings.cutting,
                    code_version=self.settings.code_version,
                )
                plan = planner.plan()
                facts.update(segments=len(plan.spans) if plan else 1, bytes=source.fetched_bytes)
            return job if plan is None else replace(job, segments=self._write(job, faces, plan))

    def _write(self, job: Job, faces: FacesDocument, plan: Plan) -> Segments:
        keys = segment_keys(job.source, self._name(faces, plan))
        every = [Windows(graph) for graph in plan.origins.tracklet_graphs(faces, self.settings.render)]
        for number in range(len(plan.spans)):
            window, *others = (windows.of(plan.section(number)) for windows in every)
            document = TracksDocument(faces.source_id, window, tuple(others))
            target = ObjectReference(self.settings.work_bucket, keys.tracks(number))
            self.storage.write_json(document.to_json(), target)
        target = ObjectReference(self.settings.work_bucket, keys.plan)
        self.storage.write_json(plan.to_json(), target)
        return Segments(target, tuple(range(len(plan.spans))), self.settings.cutting.at_once)

    def _name(self, faces: FacesDocument, plan: Plan) -> str:
        """Return a name that stands for everything that decides what the segments show.

        Code, settings and weights are in the plan, as its renderer.
        """
        digest = hashlib.sha256()
        for text in (faces.to_json(), plan.to_json()):
            digest.update(hashlib.sha256(text.encode()).digest())
        return digest.hexdigest()[:16]
