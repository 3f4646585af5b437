"""`make up`: runs the local cloud until Ctrl-C, for use with make, boto3 and chalice."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

from rich.console import Console

from deploy.stage_record import forget_stage
from local_cloud.cloud import LocalCloud
from local_cloud.project import STAGE
from local_cloud.settings import CloudSettings


def stay_up(project: Path, chalice: Path, port: int, console: Console) -> int:
    """Deploy to a local cloud on `port`, print the variables to export, and run until Ctrl-C.

    Its stage is recorded in the folder `chalice` while it runs.
    """
    with LocalCloud(CloudSettings(port=port)) as cloud:
        try:
            with console.status("Starting the local cloud and deploying to it"):
                cloud.deploy(project, chalice)
            console.print("The local cloud is up. In another terminal, in this folder, paste:\n")
            engine = {"ENGINE": f"{sys.executable} -m local_cloud.lambda_service.engine"}
            for name, value in {**cloud.environment, **engine}.items():
                console.print(f"  export {name}={shlex.quote(value)}", soft_wrap=True)
            console.print("\nThen, for example:\n")
            for line in _examples(project):
                console.print(f"  {line}", soft_wrap=True)
            console.print("\nCtrl-C ends it.")
            while True:
                time.sleep(3600)
        finally:
            forget_stage(chalice, STAGE)


def _examples(project: Path) -> list[str]:
    """Return commands that work with nothing but what `make` installed."""
    program = Path(sys.executable).with_name("chalice")
    shown = program.relative_to(project) if program.is_relative_to(project) else program
    return [
        f"make upload STAGE={STAGE} VIDEO=my.mp4",
        f"make status STAGE={STAGE}",
        f"make download STAGE={STAGE} KEY=my.mp4",
        f"{shown} logs --stage {STAGE} -n face-detection",
        f"{shown} deploy --stage {STAGE}",
    ]
