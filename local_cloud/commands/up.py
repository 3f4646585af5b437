"""`make up`: runs the local cloud until Ctrl-C, for use with aws, boto3 and chalice."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

from rich.console import Console

from local_cloud.cloud import LocalCloud
from local_cloud.settings import CloudSettings


def stay_up(project: Path, port: int, console: Console) -> int:
    """Deploy to a local cloud on `port`, print the variables to export, and run until Ctrl-C."""
    with LocalCloud(CloudSettings(port=port)) as cloud:
        with console.status("Starting the local cloud and deploying to it"):
            cloud.deploy(project)
        console.print("The local cloud is up. In another terminal, paste:\n")
        engine = {"ENGINE": f"{sys.executable} -m local_cloud.lambda_service.engine"}
        for name, value in {**cloud.environment, **engine}.items():
            console.print(f"  export {name}={shlex.quote(value)}", soft_wrap=True)
        console.print(
            f"\nThen, for example:\n\n  aws s3 cp my.mp4 s3://{cloud.buckets.input}/", soft_wrap=True
        )
        console.print(f"  aws s3 ls s3://{cloud.buckets.output}/\n\nCtrl-C ends it.", soft_wrap=True)
        while True:
            time.sleep(3600)
