"""The command line of the local cloud: `run` blurs videos and ends, `up` runs until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console

from local_cloud.errors import LocalCloudError

PROJECT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Run the command in `arguments` and return the exit code."""
    options = _parse(arguments)
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)  # All clean up, as Ctrl-C does.
    console = Console(highlight=False)
    try:
        # Imported here: --help and a wrong option answer at once.
        if options.command == "up":
            from local_cloud.commands.up import stay_up  # noqa: PLC0415 see above

            return stay_up(PROJECT, options.chalice, options.port, console)
        from local_cloud.commands.run import blur_videos  # noqa: PLC0415 see above

        return blur_videos(PROJECT, options.video, options.out, console)
    except LocalCloudError as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left behind.")
        return 130


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local_cloud", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="blur one video, or each one of a folder")
    run.add_argument("--video", type=Path, help="your video, or a folder of videos (default: a demo clip)")
    run.add_argument("--out", type=Path, help="the blurred video, or its folder (default: out/<its name>)")
    up = commands.add_parser("up", help="keep the local cloud running")
    up.add_argument("--port", type=int, default=4566, help="the port on 127.0.0.1 (default: 4566)")
    up.add_argument(
        "--chalice", type=Path, default=PROJECT / ".chalice", help="folder in which its stage is recorded"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
