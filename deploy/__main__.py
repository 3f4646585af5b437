"""The command line of deployments; `make help` lists its commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from boto3.session import Session
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from chalicelib.contract.job import DetectionMode
from chalicelib.contract.suffixes import mp4_key
from deploy.account import find_account, require_region
from deploy.container_engine import find_engine
from deploy.dead_letters import replay
from deploy.deployment import Deployment, Workplace
from deploy.errors import BaseUnknown, DeployError
from deploy.executions import now, read_executions, redrive
from deploy.image import ImageSource, base_name, build_image, find_source
from deploy.names import APP, Names
from deploy.removal import RemovalWish, plan_removal, remove
from deploy.settings import read_settings
from deploy.step_report import Report
from deploy.videos import download, upload

PROJECT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Run the command in `arguments` and return the exit code."""
    options = _parse(arguments)
    console = Console(highlight=False)
    try:
        _COMMANDS[options.command](options, console)
    except DeployError as error:
        console.print(f"[red]{type(error).__name__}[/red]: ", end="")
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    except (ClientError, BotoCoreError) as error:
        console.print(f"AWS refused: {error}", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped. Run the same command again to continue.")
        return 130
    return 0


def _up(options: argparse.Namespace, console: Console) -> None:
    deployment = Deployment(*_workplace(options, console))
    if options.dry_run:
        deployment.plan()
    else:
        deployment.deploy()


def _remove(options: argparse.Namespace, console: Console) -> None:
    wish = RemovalWish(buckets=options.buckets == "delete", running=options.running == "stop")
    command = plan_removal if options.dry_run else remove
    command(*_workplace(options, console), wish)


def _status(options: argparse.Namespace, console: Console) -> None:
    names, place = _workplace(options, console)
    moment = now()
    found = read_executions(place.clients("stepfunctions"), names.state_machine_arn, options.key or "")
    lines = [execution.line(moment) for execution in found]
    for line in lines or ["No executions."]:
        console.print(line, markup=False, soft_wrap=True)


def _redrive(options: argparse.Namespace, console: Console) -> None:
    names, place = _workplace(options, console)
    mode = DetectionMode(names.settings.detection)
    lines = redrive(place.clients("stepfunctions"), names.state_machine_arn, options.key or "", mode)
    for line in lines or ["No permanently failed executions."]:
        console.print(line, markup=False, soft_wrap=True)


def _replay(options: argparse.Namespace, console: Console) -> None:
    names, place = _workplace(options, console)
    lines = list(replay(place.clients("sqs"), place.clients("lambda"), names))
    for line in lines or ["No lost events."]:
        console.print(line, markup=False, soft_wrap=True)


def _upload(options: argparse.Namespace, console: Console) -> None:
    names, place = _workplace(options, console)
    with console.status(f"uploading {options.video}"):
        uri = upload(place.clients, names, options.video, options.key or "")
    again = f"make status STAGE={options.stage}"
    console.print(f"uploaded to {uri}; {again} shows what becomes of it", markup=False, soft_wrap=True)


def _download(options: argparse.Namespace, console: Console) -> None:
    names, place = _workplace(options, console)
    target = options.out or PROJECT / "out" / Path(mp4_key(options.key)).name
    with console.status(f"downloading {options.key}"):
        download(place.clients, names, options.key, target)
    here = Path.cwd()
    shown = target.relative_to(here) if target.is_relative_to(here) else target
    console.print(str(shown), markup=False, soft_wrap=True)


def _image(options: argparse.Namespace, console: Console) -> None:
    settings = read_settings(options.settings, options.stage)
    if options.base_image:
        settings = replace(settings, base_image=options.base_image)
    engine = find_engine(options.engine)
    try:
        source = find_source(PROJECT, settings, lambda: engine)
    except BaseUnknown as error:
        # A base image that was built on this machine is in no registry.
        source = ImageSource(PROJECT, base_name(PROJECT, settings), settings.architecture)
        console.print(f"{source.base} is taken as it is here. {error}", markup=False, soft_wrap=True)
    uri = f"{APP}:{source.version}"
    with console.status("building the image"):
        build_image(source, engine, uri)
    console.print(f"{uri}  {settings.architecture}, {engine.size_bytes(uri) / 1e6:.0f} MB", soft_wrap=True)


_COMMANDS: dict[str, Callable[[argparse.Namespace, Console], None]] = {
    "up": _up,
    "remove": _remove,
    "status": _status,
    "redrive": _redrive,
    "replay": _replay,
    "upload": _upload,
    "download": _download,
    "image": _image,
}


def _workplace(options: argparse.Namespace, console: Console) -> tuple[Names, Workplace]:
    settings = read_settings(options.settings, options.stage)
    # boto3 reads AWS_DEFAULT_REGION only; other AWS tools and our users set AWS_REGION.
    session = Session(region_name=os.environ.get("AWS_REGION"))
    require_region(session.region_name, settings)
    clients = _clients(session)
    names = Names(settings, find_account(clients("sts"), session.region_name))
    folder = options.folder / options.stage
    engine = partial(find_engine, options.engine)
    return names, Workplace(PROJECT, folder, clients, engine, Report(console), options.chalice)


def _clients(session: Session) -> Callable[[str], Any]:
    @cache
    def client(service: str) -> Any:
        return session.client(service)

    return client


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy", description=__doc__)
    parser.add_argument("command", choices=sorted(_COMMANDS))
    parser.add_argument("--stage", default="dev", help="the stage (default: dev)")
    parser.add_argument("--settings", type=Path, default=PROJECT / "deploy" / "stages.yaml")
    parser.add_argument(
        "--folder", type=Path, default=PROJECT / "out" / "deploy", help="folder in which the app is staged"
    )
    parser.add_argument(
        "--chalice", type=Path, default=PROJECT / ".chalice", help="folder in which the stage is recorded"
    )
    parser.add_argument(
        "--engine", default=os.environ.get("ENGINE", ""), help="docker, podman or a compatible program"
    )
    parser.add_argument("--base-image", help="for image: replaces the Dockerfile's base")
    parser.add_argument("--dry-run", action="store_true", help="show the changes without making them")
    parser.add_argument("--key", help="the key of one upload")
    parser.add_argument("--video", type=Path, default=Path("my.mp4"), help="for upload: the file")
    parser.add_argument("--out", type=Path, help="for download: the file (default: out/, its name)")
    parser.add_argument("--buckets", choices=["keep", "delete"], default="keep")
    parser.add_argument("--running", choices=["keep", "stop"], default="keep")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
