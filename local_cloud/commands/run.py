"""`make run`: blurs one video with the whole system on this machine, and shows the progress."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.job import Job, report_key
from chalicelib.contract.manifest import readable_cause
from chalicelib.contract.objects import ObjectReference
from local_cloud.cloud import LocalCloud
from local_cloud.commands.before_after import before_after
from local_cloud.commands.demo_clip import make_demo_clip
from local_cloud.commands.follow import Ended, FramesRendered, StateEntered, find_execution, follow
from local_cloud.rekognition_service.api import RekognitionSettings
from local_cloud.settings import CloudSettings

_EXECUTION_STARTS_WITHIN_S = 60
# Rekognition samples every 200 to 500 ms; on this machine dense sampling costs nothing.
_DENSE = RekognitionSettings(sampling_ms=200)


def blur_one(project: Path, video: Path | None, out: Path | None, console: Console) -> int:
    """Blur `video` (or the demo clip) into `out` and return the exit code."""
    complaint = _complaint(video)
    if complaint:
        console.print(f"[red]{complaint}[/red]", soft_wrap=True)
        return 2
    with tempfile.TemporaryDirectory(prefix="face-blur-") as folder:
        source = video or _demo(Path(folder), console)
        target = (out or project / "out" / source.name).absolute()
        return _blur(project, source, target, console)


def _complaint(video: Path | None) -> str | None:
    if video is None:
        return None
    if not video.is_file():
        return f"There is no file {video}: give the path of an .mp4, make run VIDEO=path/to/your.mp4"
    if video.suffix.lower() != ".mp4":
        return f"{video.name} is not an .mp4: Rekognition takes H.264 in MP4. Convert it first, with FFmpeg."
    if video.stat().st_size == 0:
        return f"{video} is empty: there is nothing to blur."
    return None


def _demo(folder: Path, console: Console) -> Path:
    path = folder / "demo.mp4"
    with console.status("Making the demo clip"):
        make_demo_clip(path)
    console.print("         demo clip made: eight seconds, one face")
    return path


def _blur(project: Path, source: Path, target: Path, console: Console) -> int:
    begin_s = time.monotonic()
    with LocalCloud(CloudSettings(rekognition=_DENSE)) as cloud:
        with console.status("Starting the local cloud and deploying to it"):
            cloud.deploy(project)
        console.print(f"{time.monotonic() - begin_s:5.1f} s  local cloud up, app deployed")
        ended = _upload_and_follow(cloud, source, console)
        if ended.status != "SUCCEEDED":
            console.print(
                f"[red]{ended.error or ended.status}[/red]: {readable_cause(ended.cause)}", soft_wrap=True
            )
            return 1
        job = Job.from_json(ended.output)
        found = cloud.client("s3").get_object(Bucket=cloud.buckets.work, Key=report_key(job))
        report = json.loads(found["Body"].read())
        # The picture shows the time at which faces cover most of the frame.
        fullest_ms = report["fullest_ms"]
        shown_ms = report["video"]["duration_ms"] / 2 if fullest_ms is None else fullest_ms
        _fetch(cloud, job.output, target)
    picture = target.with_name(f"{target.stem}.before-after.png")
    before_after(source, target, picture, at_s=float(shown_ms) / 1000)
    _summarise(report, time.monotonic() - begin_s, target, picture, console)
    return 0


def _upload_and_follow(cloud: LocalCloud, source: Path, console: Console) -> Ended:
    """Upload `source` and show the execution that it starts until it ends."""
    cloud.client("s3").upload_file(str(source), cloud.buckets.input, source.name)
    console.print(f"         uploaded to s3://{cloud.buckets.input}/{source.name}", soft_wrap=True)
    stepfunctions = cloud.client("stepfunctions")
    arn = find_execution(stepfunctions, cloud.state_machine_arn, _EXECUTION_STARTS_WITHIN_S)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("frames", total=None)
        for event in follow(stepfunctions, cloud.client("logs"), arn, cloud.log_group("blur-faces")):
            if isinstance(event, StateEntered):
                progress.console.print(f"{event.after_s:5.1f} s  {event.name}")
            elif isinstance(event, FramesRendered):
                progress.update(bar, completed=event.frames, total=event.frames_total)
            else:
                return event
    raise AssertionError("follow() always yields Ended last")


def _fetch(cloud: LocalCloud, reference: ObjectReference | None, target: Path) -> None:
    """Download the output to `target`; a failed download leaves no partial file."""
    if reference is None:
        raise InvalidDocument("the execution succeeded, but its payload names no output")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        cloud.client("s3").download_file(
            reference.bucket, reference.key, str(partial), Config=TransferConfig(use_threads=False)
        )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _summarise(report: dict[str, Any], seconds: float, target: Path, picture: Path, console: Console) -> None:
    faces = f"{report['detections']} detections of faces, tracks: {report['tracks']}"
    frames = f"frames: {report['frames']}, with faces: {report['frames_with_faces']}"
    flags = f"moments to review: {sum(report['review_flags']['counts'].values())}"
    console.print(
        f"{seconds:5.1f} s  [bold]{_shown(target)}[/bold]  {faces}, {frames}, {flags}", soft_wrap=True
    )
    console.print(f"         {_shown(picture)}  before and after", soft_wrap=True)


def _shown(path: Path) -> str:
    """Return the path relative to the current folder, if it is below that."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
