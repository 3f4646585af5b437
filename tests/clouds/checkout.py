"""A copy of the repository in a folder of its own, and the commands that people give in its root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.clouds.deploy_commands import ENGINE, STAGE, Ended

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
_PARTS = ("app.py", "requirements.txt", "chalicelib", ".chalice", "deploy", "statemachine", "blur_container")
# What is recorded of stages is not in the repository.
_IGNORED = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "stages")
CHALICE = str(Path(sys.executable).with_name("chalice"))


@dataclass(frozen=True)
class Checkout:
    """A checkout at `folder`; its commands use the cloud that `environment` names."""

    folder: Path
    environment: Mapping[str, str]

    @classmethod
    def make(cls, folder: Path, environment: Mapping[str, str]) -> Checkout:
        """Copy what is deployed of this repository, and the deploy tool, into `folder`."""
        folder.mkdir()
        for part in (*_PARTS, "local_cloud"):
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, folder / part, ignore=_IGNORED)
            else:
                shutil.copyfile(ROOT / part, folder / part)
        return cls(folder, environment)

    def configure(self, stage: str = STAGE, **entry: Any) -> None:
        """Write the stage's entry in deploy/stages.yaml, as its only one."""
        (self.folder / "deploy" / "stages.yaml").write_text(yaml.safe_dump({stage: entry}))

    def make_stage(self, command: str, *options: str, stage: str = STAGE) -> Ended:
        """Run a command of `make`: up, remove."""
        words = [sys.executable, "-m", "deploy", command, "--stage", stage, "--engine", ENGINE, *options]
        return self._run(words, "")

    def chalice(self, *arguments: str, standard_input: str = "", **variables: str) -> Ended:
        """Run Chalice's command line in the root."""
        return self._run([CHALICE, *arguments], standard_input, **variables)

    @contextmanager
    def serving(self, port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run `chalice local` with its reloader while the body runs."""
        with subprocess.Popen(
            [CHALICE, "local", "--port", str(port), *arguments],
            cwd=self.folder,
            env=self._variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                os.killpg(process.pid, signal.SIGKILL)

    def moved(self, folder: Path) -> Checkout:
        """Rename the checkout's folder and return the checkout there."""
        return Checkout(self.folder.rename(folder), self.environment)

    def read(self, path: str) -> str:
        """Return the text of one of its files."""
        return (self.folder / path).read_text(encoding="utf-8")

    def changes(self) -> dict[str, int]:
        """Return when each of its files was written last, in nanoseconds."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.stat().st_mtime_ns for path in files}

    def _variables(self) -> dict[str, str]:
        return {**os.environ, **self.environment, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "400"}

    def _run(self, words: list[str], standard_input: str, **variables: str) -> Ended:
        ended = subprocess.run(
            words,
            cwd=self.folder,
            env={**self._variables(), **variables},
            input=standard_input,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout)


def status_of(url: str) -> int:
    """Return the HTTP status of `url`."""
    try:
        with urllib.request.urlopen(url) as answer:  # noqa: S310 a server of this machine
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
