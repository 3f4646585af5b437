"""The container engine as a command line; quotas in words."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from deploy.container_engine import CommandEngine, ImageBuild, find_engine
from deploy.errors import BaseUnknown, ImageNotPushed, NoEngine

BUILD = ImageBuild(Path("Dockerfile"), Path(), "repository:tag", "x86_64", {"BASE_IMAGE": "base@sha256:1"})


@pytest.fixture
def engine(tmp_path: Path) -> CommandEngine:
    """Return an engine that writes down its arguments and what was typed."""
    path = tmp_path / "engine"
    path.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\ncat >> {tmp_path}/called\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return CommandEngine((str(path),))


def engine_that_answers(folder: Path, inspected: str, *, pulls: bool = True) -> CommandEngine:
    """Return an engine whose registry answers, or does not, and which inspects an image so."""
    path = folder / "engine"
    outcome = "exit 0" if pulls else "echo no such host; exit 1"
    path.write_text(f"#!/bin/sh\n[ $1 = pull ] && {{ {outcome}; }}\necho '{inspected}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return CommandEngine((str(path),))


def called(folder: Path) -> list[str]:
    """Return the lines that the engine wrote down."""
    return (folder / "called").read_text().splitlines()


@pytest.mark.parametrize(("architecture", "platform"), [("x86_64", "linux/amd64"), ("arm64", "linux/arm64")])
def test_build_names_platform_and_arguments(
    engine: CommandEngine, tmp_path: Path, architecture: str, platform: str
) -> None:
    """Lambda's word for the architecture is not the engine's."""
    engine.build(ImageBuild(Path("Dockerfile"), Path(), "repository:tag", architecture, {"BASE_IMAGE": "b"}))

    expected = (
        f"build --file Dockerfile --tag repository:tag --platform {platform} --build-arg BASE_IMAGE=b ."
    )
    assert called(tmp_path) == [expected]


@pytest.mark.parametrize(
    ("image", "digests", "resolved"),
    [
        pytest.param("ecr/python:3.13", '["ecr/python@sha256:1"]', "ecr/python@sha256:1", id="one"),
        pytest.param(
            "ecr/python:3.13", '["mine@sha256:0","ecr/python@sha256:1"]', "ecr/python@sha256:1", id="mirror"
        ),
        pytest.param(
            "ecr:5000/python", '["ecr:5000/python@sha256:1"]', "ecr:5000/python@sha256:1", id="port"
        ),
        pytest.param("docker.io/library/python:3", '["python@sha256:1"]', "python@sha256:1", id="short"),
        pytest.param("a:1", '["a@sha256:2","a@sha256:1"]', "a@sha256:1", id="index and manifest"),
    ],
)
def test_base_is_resolved_to_what_its_registry_has_now(
    tmp_path: Path, image: str, digests: str, resolved: str
) -> None:
    """It was pulled a moment before: the digest is not that of last month."""
    assert engine_that_answers(tmp_path, digests).resolve(image, "arm64") == resolved


def test_base_is_pulled_for_its_architecture(engine: CommandEngine, tmp_path: Path) -> None:
    """An index has images for several."""
    with pytest.raises(BaseUnknown):
        engine.resolve("python:3.13", "x86_64")

    assert called(tmp_path)[0] == "pull --quiet --platform linux/amd64 python:3.13"


@pytest.mark.parametrize(
    ("pulls", "inspected", "words"),
    [
        (False, "[]", "no such host"),
        (True, "[]", "has no digest"),
        (True, "null", "has no digest"),
        (True, "{", "base_image"),
    ],
    ids=["no registry", "built here", "built here by docker", "unreadable"],
)
def test_base_that_nobody_knows_is_refused(tmp_path: Path, pulls: bool, inspected: str, words: str) -> None:  # noqa: FBT001
    """An old one taken unasked would have no patches."""
    with pytest.raises(BaseUnknown, match=words):
        engine_that_answers(tmp_path, inspected, pulls=pulls).resolve("python:3.13", "x86_64")


def test_password_is_typed_and_never_an_argument(engine: CommandEngine, tmp_path: Path) -> None:
    """Anybody may list processes."""
    engine.login("registry", "AWS", "secret")

    assert called(tmp_path) == ["login --username AWS --password-stdin registry", "secret"]


def test_failure_shows_the_last_lines() -> None:
    """With the exit code, and what to do."""
    with pytest.raises(ImageNotPushed, match="exit code 1"):
        CommandEngine(("false",)).build(BUILD)


@pytest.mark.parametrize("named", ["no-such-engine", "false"])
def test_engine_that_does_not_answer_is_none(named: str) -> None:
    """Not installed, or its daemon is down."""
    with pytest.raises(NoEngine, match=named):
        find_engine(named)


def test_engine_may_be_several_words() -> None:
    """As a remote one is, or one within sudo."""
    assert find_engine("env true").words == ("env", "true")
