"""The command line of the renderer: `render` blurs the faces of one local file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import IO

from blur_container.rendering.local_files import LocalFiles
from blur_container.rendering.progress import ProgressBar
from blur_container.settings import BlurShape, BlurStyle, Settings
from chalicelib.contract.errors import FaceBlurError
from chalicelib.contract.job import DetectionMode

_EPILOGUE = (
    "What is not said here is read from the environment, as in Lambda: PRESET, MARGIN, MIN_CONFIDENCE ..."
)
# The settings ask for buckets; nothing here opens one.
_NO_BUCKETS = {"WORK_BUCKET": "none", "OUTPUT_BUCKET": "none"}
_INTERRUPTED = 130


def main(arguments: list[str], environment: Mapping[str, str], out: IO[str], err: IO[str]) -> int:
    """Run the command in `arguments`; return the exit code: 0, or 1 after one sentence on `err`."""
    options = _parse(arguments)
    files = LocalFiles(options.source, options.target, options.faces)
    try:
        settings = Settings.from_env(
            {"DETECTION": _detection(options), **environment, **_NO_BUCKETS, **_chosen(options)}
        )
        with closing(ProgressBar(err)) as bar:
            report = files.render(settings, bar)
    except (FaceBlurError, OSError) as error:
        err.write(f"{type(error).__name__}: {error}\n")
        return 1
    except KeyboardInterrupt:
        err.write("Stopped; no output was written.\n")
        return _INTERRUPTED
    tracks = f"{report.faces.tracks} track{'' if report.faces.tracks == 1 else 's'}"
    out.write(
        f"{files.target}: {len(report.pts)} frames, {report.file.frames_with_faces} with faces, {tracks}\n"
    )
    return 0


def _detection(options: argparse.Namespace) -> str:
    """Return the detection where the environment names none: given faces are all that is to be blurred."""
    return DetectionMode.REKOGNITION.value if options.faces else DetectionMode.CONTAINER.value


def _chosen(options: argparse.Namespace) -> dict[str, str]:
    chosen = {"BLUR_STYLE": options.style, "BLUR_SHAPE": options.shape, "CRF": options.crf}
    return {name: value for name, value in chosen.items() if value is not None}


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m blur_container", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    render = commands.add_parser("render", help="blur one local file", epilog=_EPILOGUE)
    render.add_argument("source", type=Path, metavar="IN", help="the video")
    render.add_argument(
        "target", type=Path, metavar="OUT", help="the blurred .mp4; its manifest goes beside it"
    )
    render.add_argument(
        "--faces", type=Path, metavar="JSON", help="a faces document; without one the faces are detected here"
    )
    render.add_argument("--style", choices=[style.value for style in BlurStyle], help="what faces become")
    render.add_argument("--shape", choices=[shape.value for shape in BlurShape], help="what is covered")
    render.add_argument("--crf", help="x264's constant rate factor, 0 to 51: lower is larger and better")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, sys.stdout, sys.stderr))
