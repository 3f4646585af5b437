"""Run one case of the render benchmark, and print its seconds and peak memory as JSON.

The clock starts after the imports: a warm Lambda function does not repeat them.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2

from benchmarks.render.clips import Scene, faces_in, faces_throughout, make_scene
from blur_container.rendering.whole_video import redact_video
from blur_container.settings import RenderSettings
from chalicelib.contract.faces import Box, FacesDocument

# The renderer alone; the case `followed` adds the low-resolution pass.
SETTINGS = RenderSettings(follow_faces=False)
_KERNEL = (99, 99)
_SIGMA = 30


def main() -> None:
    """Run the case described by the first argument, a JSON object."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    case = asked["case"]
    scene, source, target = Scene(*asked["scene"]), Path(asked["source"]), Path(asked["target"])
    run = _CASES[case]
    begin_s, used_s = time.monotonic(), _cpu_s()
    facts = run(scene, source, target)
    measured = {"wall_s": time.monotonic() - begin_s, "cpu_s": _cpu_s() - used_s, "peak_mb": _peak_mb()}
    print(json.dumps({**measured, **facts}))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    kilo = 1 if sys.platform == "linux" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / kilo / 1024


def _make(scene: Scene, source: Path, _target: Path) -> Mapping[str, object]:
    make_scene(source, scene)
    return {}


def _floor(_scene: Scene, source: Path, target: Path) -> Mapping[str, object]:
    """Decode and encode with the renderer's settings, without blurring."""
    options = {"preset": SETTINGS.preset, "crf": str(SETTINGS.crf)}
    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        video = container.streams.video[0]
        video.thread_type = "AUTO"
        video.codec_context.thread_count = SETTINGS.decoder_threads
        encoded = output.add_stream("libx264", video.average_rate, options)
        encoded.width, encoded.height = video.width, video.height
        encoded.codec_context.thread_count = SETTINGS.encoder_threads
        encoded.codec_context.thread_type = "FRAME"
        for frame in container.decode(video):
            frame.pict_type = 0
            output.mux(encoded.encode(frame))
        output.mux(encoded.encode(None))
    return {}


def _full(scene: Scene, source: Path, target: Path) -> Mapping[str, object]:
    return _render(source, target, faces_throughout(scene), SETTINGS)


def _followed(scene: Scene, source: Path, target: Path) -> Mapping[str, object]:
    return _render(source, target, faces_throughout(scene), RenderSettings())


def _idle(scene: Scene, source: Path, target: Path) -> Mapping[str, object]:
    return _render(source, target, faces_in(scene, range(0)), SETTINGS)


def _smart(percent: int) -> Callable[[Scene, Path, Path], Mapping[str, object]]:
    def run(scene: Scene, source: Path, target: Path) -> Mapping[str, object]:
        step = 100 // percent if percent else scene.groups + 1
        # Isolated groups cost most: each starts an encoder.
        faces = faces_in(scene, range(step - 1, scene.groups, step))
        return _render(source, target, faces, replace(SETTINGS, smart_render=True))

    return run


def _render(source: Path, target: Path, faces: FacesDocument, settings: RenderSettings) -> dict[str, object]:
    report = redact_video(source, target, faces, settings, lambda _: None)
    copied = report.copied.digest.packets if report.copied else 0
    return {"copied": copied, "reason": report.file.fallback_reason}


def _tutorial(scene: Scene, source: Path, target: Path) -> Mapping[str, object]:
    """Blur like the tutorials: whole frames to BGR, a fixed Gaussian on each face, MPEG-4 part 2."""
    faces = faces_throughout(scene)
    by_time: dict[int, list[Box]] = {}
    for seen in faces.detections:
        by_time.setdefault(seen.time_ms, []).append(seen.box)
    capture = cv2.VideoCapture(str(source))
    rate = capture.get(cv2.CAP_PROP_FPS)
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), rate, (scene.width, scene.height))
    boxes: list[Box] = []
    index = 0
    while (read := capture.read())[0]:
        boxes = by_time.get(round(index * 1000 / rate), boxes)
        for box in boxes:
            left, top = int(box.left * scene.width), int(box.top * scene.height)
            right, bottom = left + int(box.width * scene.width), top + int(box.height * scene.height)
            area = read[1][top:bottom, left:right]
            read[1][top:bottom, left:right] = cv2.GaussianBlur(area, _KERNEL, _SIGMA)
        writer.write(read[1])
        index += 1
    writer.release()
    capture.release()
    return {}


_CASES = {
    "make": _make,
    "floor": _floor,
    "full": _full,
    "followed": _followed,
    "idle": _idle,
    "tutorial": _tutorial,
    **{f"smart {percent} %": _smart(percent) for percent in (0, 10, 50, 100)},
}

if __name__ == "__main__":
    main()
