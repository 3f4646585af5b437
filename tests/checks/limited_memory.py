"""`python -m tests.checks.limited_memory FILE MEGABYTES`: read a file as the container does, in less memory.

Prints how it ended: the number of frames, or the name of an error.
"""

from __future__ import annotations

import resource
import sys
from contextlib import closing
from pathlib import Path

from blur_container.reading.video import decoded_frames, open_source, video_stream
from chalicelib.contract.errors import FaceBlurError

_MEGABYTE = 1024**2
_CPU_S = 20


def main(path: Path, megabytes: int) -> str:
    """Return how reading the file at `path` ends."""
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * _MEGABYTE, megabytes * _MEGABYTE))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    try:
        with (
            open_source(path) as container,
            closing(decoded_frames(container, video_stream(container), 1)) as frames,
        ):
            return f"{sum(1 for _ in frames)} frames"
    except FaceBlurError as error:
        return type(error).__name__


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2])))
