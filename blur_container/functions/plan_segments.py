"""The function plan-segments: splits a long video into segments; returns a short one's job unchanged."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from blur_container.functions.base import FunctionContext
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

# The sample table is read once, and a few packets at each split point.
_CACHE_BYTES = 64 * 1024**2
# Its searched section, from a section of no length, says how far before a segment faces are tracked.
_NO_LENGTH = Section(0.0, 0.0)


def plan_video(context: FunctionContext, job: Job) -> Job:
    """Return `job` with its segments, or unchanged when one function renders the whole video."""
    settings = context.settings
    with context.log.handling(source=job.source.uri) as facts, context.folder() as folder:
        with BlockCache(folder, _CACHE_BYTES) as cache:
            source = context.storage.opened(job.source, cache)
            faces = context.faces(job, source)
            graph = tracklet_graph_of(faces, settings.render)
            planner = Planner(
                source=source,
                size_bytes=job.source.size_bytes,
                read_bytes=lambda: source.fetched_bytes,
                faces=faces,
                margin_ms=-replace(graph, section=_NO_LENGTH).searched.start_ms,
                render=settings.render,
                cutting=settings.cutting,
                code_version=settings.code_version,
            )
            plan = planner.plan()
            facts.update(segments=len(plan.spans) if plan else 1, bytes=source.fetched_bytes)
        return job if plan is None else replace(job, segments=_write_plan(context, job, faces, plan))


def _write_plan(context: FunctionContext, job: Job, faces: FacesDocument, plan: Plan) -> Segments:
    """Write the tracks document of each segment, then the plan; return references to them.

    Their keys are named after a digest of faces and plan, so another plan never overwrites them. The plan
    contains the renderer: code version and settings.
    """
    settings, digest = context.settings, hashlib.sha256()
    for text in (faces.to_json(), plan.to_json()):
        digest.update(hashlib.sha256(text.encode()).digest())
    keys = segment_keys(job.source, digest.hexdigest()[:16])
    every = [Windows(graph) for graph in plan.origins.tracklet_graphs(faces, settings.render)]
    for number in range(len(plan.spans)):
        window, *others = (windows.of(plan.section(number)) for windows in every)
        document = TracksDocument(faces.source_id, window, tuple(others))
        target = ObjectReference(settings.work_bucket, keys.tracks(number))
        context.storage.write_json(document.to_json(), target)
    target = ObjectReference(settings.work_bucket, keys.plan)
    context.storage.write_json(plan.to_json(), target)
    return Segments(target, tuple(range(len(plan.spans))), settings.cutting.at_once)
