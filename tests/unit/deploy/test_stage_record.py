"""A stage's configuration for Chalice, and the record from which Chalice's own commands get it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from deploy.chalice_app import stage_config
from deploy.errors import RecordUnusable
from deploy.names import Account, Names
from deploy.settings import StageSettings
from deploy.stage_record import forget_stage, read_stage

ROOT = Path(__file__).parent.parent.parent.parent
NAMES = Names(StageSettings("dev", uploads_per_hour=5), Account("123456789012", "us-east-1"))
RECORDED_NOWHERE = "run `make deploy STAGE=dev`"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the app, to be changed by a test."""
    for part in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / part, tmp_path / part)
    ignored = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "stages")
    for part in ("chalicelib", ".chalice"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    return tmp_path


def test_stage_without_a_record_is_refused(tmp_path: Path) -> None:
    """The sentence names the command that records it."""
    with pytest.raises(RecordUnusable, match=RECORDED_NOWHERE):
        read_stage(tmp_path, "dev")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"settings": 1}', '{"settings": {}, "account": 2}'])
def test_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    """No record is read by halves."""
    path = tmp_path / "stages" / "dev" / "outputs.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)

    with pytest.raises(RecordUnusable, match=RECORDED_NOWHERE):
        read_stage(tmp_path, "dev")


def test_forgetting_what_was_never_recorded_is_no_error(tmp_path: Path) -> None:
    """`make remove` may run twice."""
    forget_stage(tmp_path, "dev")

    assert list(tmp_path.iterdir()) == []


def test_entry_of_a_stage_in_the_defaults_is_kept(project: Path) -> None:
    """As Chalice documents it, an entry below stages changes one stage; the stage's own values win."""
    path = project / ".chalice" / "config.json"
    own = {"lambda_memory_size": 512, "environment_variables": {"INPUT_BUCKET": "mine", "MINE": "1"}}
    path.write_text(json.dumps({**json.loads(path.read_text()), "stages": {"dev": own}}))

    stage = stage_config(project, NAMES).config["stages"]["dev"]

    assert stage["lambda_memory_size"] == 512
    assert stage["environment_variables"] == {**NAMES.environment, "MINE": "1"}
    assert stage["lambda_functions"]["face-detection"]["environment_variables"]["UPLOADS_PER_HOUR"] == "5"


@pytest.mark.parametrize("path", ["app.py", "chalicelib/boxes.py", ".chalice/policy-face-detection.json"])
def test_digest_is_of_code_and_policies(project: Path, path: str) -> None:
    """What is deployed differs when one of them does."""
    before = stage_config(project, NAMES).digest
    (project / path).write_text((project / path).read_text().replace("Allow", "Deny") + "\n")

    assert stage_config(project, NAMES).digest != before


def test_digest_leaves_out_what_is_not_deployed(project: Path) -> None:
    """Compiled files of this machine change nothing."""
    before = stage_config(project, NAMES).digest
    (project / "chalicelib" / "__pycache__").mkdir()
    (project / "chalicelib" / "__pycache__" / "boxes.cpython-313.pyc").write_bytes(b"1")

    assert stage_config(project, NAMES).digest == before
