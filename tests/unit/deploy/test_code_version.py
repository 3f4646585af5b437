"""The code version: other code, packages, weights, base or architecture, another version."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blur_container.settings import installed_versions, source_version
from chalicelib.contract.code_version import code_version
from deploy.image import ImageSource, base_name
from deploy.settings import StageSettings

ROOT = Path(__file__).parent.parent.parent.parent
BASE = "public.ecr.aws/lambda/python@sha256:1"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of what the image takes."""
    for part in ("blur_container", "chalicelib"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    return tmp_path


def test_same_files_have_the_same_version_wherever_they_lie(project: Path) -> None:
    """The local cloud unpacks them elsewhere; bytecode does not count."""
    (project / "blur_container" / "__pycache__").mkdir()
    (project / "blur_container" / "__pycache__" / "blur.pyc").write_bytes(b"1")

    assert code_version(project) == code_version(ROOT)


@pytest.mark.parametrize(
    "part",
    [
        "blur_container/masking/blur.py",
        "blur_container/requirements.txt",
        "blur_container/requirements-model.txt",
        "blur_container/Dockerfile",
        "chalicelib/contract/faces.py",
    ],
)
def test_other_content_of_the_image_is_another_version(project: Path, part: str) -> None:
    """Code, pinned packages, the weights by their hash, how it is built, what documents mean."""
    before = code_version(project)
    (project / part).write_text((project / part).read_text() + "\n")

    assert code_version(project) != before


def test_the_light_functions_do_not_count(project: Path) -> None:
    """They are no part of the image, and draw nothing."""
    before = code_version(project)
    (project / "chalicelib" / "uploads.py").write_text("")

    assert code_version(project) == before


@pytest.mark.parametrize(
    ("base", "architecture"), [(f"{BASE}2", "x86_64"), (BASE, "arm64")], ids=["base", "architecture"]
)
def test_patched_base_and_other_architecture_are_another_image(base: str, architecture: str) -> None:
    """AWS mends its base under the same name: the digest tells."""
    assert ImageSource(ROOT, base, architecture).version != ImageSource(ROOT, BASE, "x86_64").version


def test_outside_of_an_image_source_and_packages_are_the_version() -> None:
    """No constant: a change of the renderer shows in a local run too."""
    assert source_version() == code_version(ROOT, *installed_versions())
    assert source_version() != code_version(ROOT, "av 0")


@pytest.mark.parametrize("given", ["", "mine:1"], ids=["the Dockerfile's", "the stage's"])
def test_base_is_the_stages_or_else_the_dockerfiles(given: str) -> None:
    """One line of the Dockerfile names it."""
    assert base_name(ROOT, StageSettings("dev", base_image=given)) == (
        given or "public.ecr.aws/lambda/python:3.13"
    )
