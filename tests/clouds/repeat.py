"""The tests that open local clouds, again and again with every processor loaded: what is red by chance shows.

`python -m tests.clouds.repeat [TIMES] [PATH ...]`; it ends with the first run that is red.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PLACES = ("tests/cloud", "tests/end_to_end")
# It ends with whoever started it, however that ends.
_LOAD = "import os\nparent = os.getppid()\nos.nice(5)\nwhile os.getppid() == parent: pass"


def main(times: int, places: list[str]) -> int:
    """Run the tests in `places` so many times; return 1 where a run was red."""
    with loaded(os.cpu_count() or 1):
        for number in range(1, times + 1):
            print(f"run {number} of {times}", flush=True)
            command = [sys.executable, "-m", "pytest", "-q", "-x", *places]
            if subprocess.run(command, check=False).returncode:
                print(f"run {number} of {times} was red", file=sys.stderr)
                return 1
    print(f"{times} runs, all green")
    return 0


@contextmanager
def loaded(processors: int) -> Iterator[None]:
    """Keep so many processors busy while open."""
    busy = [subprocess.Popen([sys.executable, "-c", _LOAD]) for _ in range(processors)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 20, sys.argv[2:] or list(PLACES)))
