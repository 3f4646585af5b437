"""The staged copy of the app: what chalice zips is readable for Lambda's user."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from deploy.chalice_app import stage_app
from deploy.names import Account, Names
from deploy.settings import StageSettings

ROOT = Path(__file__).parent.parent.parent.parent
NAMES = Names(StageSettings("dev"), Account("123456789012", "us-east-1"))


def test_staged_app_is_readable_when_the_checkout_is_not(tmp_path: Path) -> None:
    """Under umask 077 Lambda's user could not open app.py: every event would end in the dead-letter queue."""
    project = tmp_path / "project"
    for part in ("chalicelib", ".chalice"):
        shutil.copytree(ROOT / part, project / part, ignore=shutil.ignore_patterns("*.pyc", "deployments"))
    for part in ("app.py", "requirements.txt"):
        shutil.copyfile(ROOT / part, project / part)
    for path in project.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)

    staged = stage_app(project, tmp_path / "staged", NAMES)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in staged.folder.rglob("*") if path.is_file()}
    assert modes == {0o644}
