"""Measure how long importing a function's code takes in a fresh process.

Run it with `python -m benchmarks.cold_start`. The light functions are imported without bytecode, as from a
zip; the container's modules are compiled, as in the image, whose figure `make test-image` prints.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import chalice

PROJECT = Path(__file__).resolve().parent.parent
RUNS = 9
_WITHOUT_BYTECODE = shutil.ignore_patterns("__pycache__")
_CODE = """
import importlib, sys, time
begin_s = time.perf_counter()
importlib.import_module(sys.argv[1])
print((time.perf_counter() - begin_s) * 1000)
"""


def main() -> None:
    """Print the median, the fastest and the slowest import of each module."""
    print(f"{'module':24} {'median ms':>10} {'fastest':>8} {'slowest':>8}")
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder)
        shutil.copyfile(PROJECT / "app.py", package / "app.py")
        shutil.copytree(PROJECT / "chalicelib", package / "chalicelib", ignore=_WITHOUT_BYTECODE)
        shutil.copytree(Path(chalice.__file__).parent, package / "chalice", ignore=_WITHOUT_BYTECODE)
        _print_imports("app", package, "-B")
    _print_imports("blur_container.handler", PROJECT)


def _print_imports(module: str, folder: Path, *options: str) -> None:
    _import_ms(module, folder, *options)  # The first run reads the files from disk.
    times = sorted(_import_ms(module, folder, *options) for _ in range(RUNS))
    print(f"{module:24} {statistics.median(times):10.0f} {times[0]:8.0f} {times[-1]:8.0f}")


def _import_ms(module: str, folder: Path, *options: str) -> float:
    ended = subprocess.run(
        [sys.executable, *options, "-c", _CODE, module],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ended.stdout)


if __name__ == "__main__":
    main()
