"""Run one function of the container in this process, on the given processors.

`python -m benchmarks.scale.one_function HANDLER PROCESSORS ANSWER` reads the event from standard input.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Call the handler and write its response to the file ANSWER."""
    name, processors, answer = sys.argv[1:]
    # Before any thread starts: threads inherit it.
    os.sched_setaffinity(0, {int(number) for number in processors.split(",")})
    handler = getattr(importlib.import_module("blur_container.handler"), name)
    Path(answer).write_text(json.dumps(handler(json.load(sys.stdin), None)))


if __name__ == "__main__":
    main()
