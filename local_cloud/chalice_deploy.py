"""A real `chalice deploy`, run in a copy of the app: the project's record of deployments stays as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local_cloud.errors import DeployFailed
from local_cloud.project import STAGE

# chalice has no __main__: this is its console script, with the interpreter at hand.
_CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"
_PARTS = ("app.py", "chalicelib", "requirements.txt", ".chalice")
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "deployed", "deployments")


@contextmanager
def chalice_deploying(project: Path, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run `chalice deploy` of `project` beside the body and wait for it; raise DeployFailed."""
    staged = _stage(project, folder)
    process = subprocess.Popen(
        [sys.executable, "-c", _CHALICE, "deploy", "--stage", STAGE],
        cwd=staged,
        env={**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield
            output, _ = process.communicate()
        finally:
            # After an error in the body; a process that has ended takes no harm.
            process.kill()
    if process.returncode != 0:
        raise DeployFailed(f"chalice deploy ended with exit code {process.returncode}:\n{output}")


def _stage(project: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for part in _PARTS:
        source = project / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=_IGNORED)
        else:
            shutil.copyfile(source, folder / part)
    return folder
