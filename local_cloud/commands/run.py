"""`make run`: blurs a video, or each one of a folder, with the whole system on this machine."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from chalicelib.contract.errors import InvalidDocument
from chalicelib.contract.job import Job, execution_name, report_key
from chalicelib.contract.log import printable
from chalicelib.contract.manifest import readable_cause
from chalicelib.contract.objects import ObjectReference, SourceObject
from chalicelib.contract.suffixes import MP4, mp4_key, suffix_of
from local_cloud.cloud import LocalCloud
from local_cloud.commands.before_after import before_after
from local_cloud.commands.demo_clip import make_demo_clip
from local_cloud.commands.follow import Ended, FramesRendered, StateEntered, follow, wait_for_execution
from local_cloud.errors import LocalCloudError
from local_cloud.rekognition_service.api import RekognitionSettings
from local_cloud.settings import CloudSettings

_EXECUTION_STARTS_WITHIN_S = 60
# Rekognition samples every 200 to 500 ms; on this machine dense sampling costs nothing.
_DENSE = RekognitionSettings(sampling_ms=200)


@dataclass(frozen=True)
class Blurred:
    """The end of one video: its report, or its error; `seconds` count from its upload."""

    source: Path
    error: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def blur_videos(project: Path, video: Path | None, out: Path | None, console: Console) -> int:
    """Blur the file `video`, each file of the folder `video`, or the demo clip; return the exit code.

    `out` is the blurred file, or the folder of blurred files.
    """
    if video is not None and video.is_dir():
        return _blur_folder(project, video, (out or project / "out").absolute(), console)
    if video is None:
        with tempfile.TemporaryDirectory(prefix="face-blur-") as folder:
            source = _demo(Path(folder), console)
            target = (out or project / "out" / source.name).absolute()
            return _blur_one(project, source, target, console)
    target = (out or project / "out" / mp4_key(_key(video))).absolute()
    complaint = _complaint(video, target)
    if complaint:
        console.print(f"[red]{complaint}[/red]", soft_wrap=True)
        return 2
    return _blur_one(project, video, target, console)


def _complaint(video: Path, target: Path) -> str:
    """Return why `video` cannot be blurred into `target`; an empty text where nothing is known against it."""
    if not video.is_file():
        return f"There is no file {video}: give the path of a video, make run VIDEO=path/to/your.mp4"
    if video.stat().st_size == 0:
        return f"{video} is empty: there is nothing to blur."
    if target.exists() and target.samefile(video):
        return f"{video} would be replaced by its blurred copy: name another place, OUT=blurred.mp4"
    return ""


def _key(video: Path) -> str:
    """Return the key of an upload of `video`; a file whose suffix is no video's gets .mp4 appended."""
    return video.name if suffix_of(video.name) else video.name + MP4


def _demo(folder: Path, console: Console) -> Path:
    path = folder / "demo.mp4"
    with console.status("Making the demo clip"):
        make_demo_clip(path)
    console.print("         demo clip made: eight seconds, one face")
    return path


def _blur_one(project: Path, source: Path, target: Path, console: Console) -> int:
    begin_s = time.monotonic()
    with LocalCloud(CloudSettings(rekognition=_DENSE)) as cloud:
        _deploy(cloud, project, console)
        ended = _blur(cloud, source, target, console)
    if ended.error:
        console.print(f"[red]{ended.error}[/red]", soft_wrap=True)
        return 1
    picture = target.with_name(f"{target.stem}.before-after.png")
    _draw(ended.report, source, target, picture)
    _summarise(ended.report, time.monotonic() - begin_s, target, picture, console)
    return 0


def _blur_folder(project: Path, folder: Path, out: Path, console: Console) -> int:
    """Blur each file of `folder` into the folder `out` and print a table; return 1 if one was not blurred."""
    sources = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not sources:
        console.print(f"[red]There is no file in {folder}: give the path of a folder of videos.[/red]")
        return 2
    if out.exists() and not out.is_dir():
        console.print(f"[red]{out} is no folder: name one for the blurred videos, OUT=folder[/red]")
        return 2
    with LocalCloud(CloudSettings(rekognition=_DENSE)) as cloud:
        _deploy(cloud, project, console)
        results = []
        for number, source in enumerate(sources, 1):
            console.print(f"{number} of {len(sources)}: {printable(source.name)}", markup=False)
            target = out / mp4_key(_key(source))
            try:
                result = _complaint(source, target) or _blur(cloud, source, target, console)
            except LocalCloudError as error:
                result = str(error)
            results.append(result if isinstance(result, Blurred) else Blurred(source, result))
    blurred = [one for one in results if not one.error]
    for one in blurred:
        target = out / mp4_key(_key(one.source))
        # The whole name: clip.mp4 and clip.MP4 may lie in one folder.
        _draw(one.report, one.source, target, target.with_name(f"{target.name}.before-after.png"))
    console.print(f"\n{len(blurred)} of {len(results)} blurred into {_shown(out)}", soft_wrap=True)
    for one in results:
        console.print(_row(one), markup=False, soft_wrap=True)
    return 0 if len(blurred) == len(results) else 1


def _row(one: Blurred) -> str:
    outcome = one.error or f"{one.seconds:6.1f} s  {_counts(one.report)}"
    return printable(f"{'FAILED' if one.error else 'blurred':<8} {one.source.name:<30} {outcome}")


def _deploy(cloud: LocalCloud, project: Path, console: Console) -> None:
    begin_s = time.monotonic()
    with console.status("Starting the local cloud and deploying to it"):
        cloud.deploy(project)
    console.print(f"{time.monotonic() - begin_s:5.1f} s  local cloud up, app deployed")


def _blur(cloud: LocalCloud, source: Path, target: Path, console: Console) -> Blurred:
    """Blur `source` into `target` by an upload to the cloud, and show the progress."""
    begin_s = time.monotonic()
    ended = _upload_and_follow(cloud, source, console)
    if ended.status != "SUCCEEDED":
        return Blurred(source, f"{ended.error or ended.status}: {readable_cause(ended.cause)}")
    job = Job.from_json(ended.output)
    found = cloud.client("s3").get_object(Bucket=cloud.buckets.work, Key=report_key(job))
    report = json.loads(found["Body"].read())
    _fetch(cloud, job.output, target)
    return Blurred(source, "", report, time.monotonic() - begin_s)


def _upload_and_follow(cloud: LocalCloud, source: Path, console: Console) -> Ended:
    """Upload `source` and show the execution that it starts until it ends."""
    s3, bucket, key = cloud.client("s3"), cloud.buckets.input, _key(source)
    s3.upload_file(str(source), bucket, key)
    console.print(f"         uploaded to s3://{bucket}/{printable(key)}", soft_wrap=True, markup=False)
    version = s3.head_object(Bucket=bucket, Key=key)["VersionId"]
    name = execution_name(SourceObject(bucket, key, version, "", "", 0))
    arn = f"{cloud.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
    stepfunctions = cloud.client("stepfunctions")
    wait_for_execution(stepfunctions, arn, _EXECUTION_STARTS_WITHIN_S)
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


def _draw(report: Mapping[str, Any], source: Path, target: Path, picture: Path) -> None:
    """Draw `picture`: before and after, at the time at which faces cover most of the frame."""
    fullest_ms = report["fullest_ms"]
    shown_ms = report["video"]["duration_ms"] / 2 if fullest_ms is None else fullest_ms
    before_after(source, target, picture, at_s=float(shown_ms) / 1000)


def _summarise(
    report: Mapping[str, Any], seconds: float, target: Path, picture: Path, console: Console
) -> None:
    console.print(f"{seconds:5.1f} s  [bold]{_shown(target)}[/bold]  {_counts(report)}", soft_wrap=True)
    console.print(f"         {_shown(picture)}  before and after", soft_wrap=True)


def _counts(report: Mapping[str, Any]) -> str:
    faces = f"{report['detections']} detections of faces, tracks: {report['tracks']}"
    frames = f"frames: {report['frames']}, with faces: {report['frames_with_faces']}"
    return f"{faces}, {frames}, moments to review: {sum(report['review_flags']['counts'].values())}"


def _shown(path: Path) -> str:
    """Return the path relative to the current folder, if it is below that."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
