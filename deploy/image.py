"""Builds and pushes the image of the container functions; its tag names its content."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.contract.code_version import code_version
from deploy.container_engine import Engine, ImageBuild
from deploy.errors import ImageNotPushed
from deploy.settings import StageSettings

DOCKERFILE = Path("blur_container") / "Dockerfile"
_BASE = re.compile(r"^ARG BASE_IMAGE=(\S+)$", re.MULTILINE)
_BY_DIGEST = "@sha256:"


@dataclass(frozen=True)
class ImageSource:
    """The input of an image: the project, a base image with its digest, an architecture."""

    project: Path
    base: str
    architecture: str

    @property
    def version(self) -> str:
        """Return the tag of what would be built, which is its code version: new with each new base too."""
        return code_version(self.project, self.architecture, self.base)


@dataclass(frozen=True)
class ImagePlace:
    """The repository and the tag of an image."""

    repository: str
    tag: str


def base_name(project: Path, settings: StageSettings) -> str:
    """Return the base image as the stage or else the Dockerfile names it."""
    found = _BASE.search((project / DOCKERFILE).read_text(encoding="utf-8"))
    if found is None:
        raise ImageNotPushed(f"{DOCKERFILE} has no line ARG BASE_IMAGE=...: give it one again.")
    return settings.base_image or found[1]


def find_source(project: Path, settings: StageSettings, find_engine: Callable[[], Engine]) -> ImageSource:
    """Return what the image is built from: the base is what its name means in its registry now.

    AWS mends its images under one name. Raise BaseUnknown where the registry does not answer.
    """
    base = base_name(project, settings)
    if _BY_DIGEST not in base:
        base = find_engine().resolve(base, settings.architecture)
    return ImageSource(project, base, settings.architecture)


def build_image(source: ImageSource, engine: Engine, uri: str) -> None:
    """Build the image as `uri`; it knows its own code version."""
    arguments = {"BASE_IMAGE": source.base, "CODE_VERSION": source.version}
    engine.build(ImageBuild(source.project / DOCKERFILE, source.project, uri, source.architecture, arguments))


def pushed_digest(ecr: Any, place: ImagePlace) -> str:
    """Return the digest of the pushed image, an empty text where it is not there."""
    try:
        answer = ecr.describe_images(repositoryName=place.repository, imageIds=[{"imageTag": place.tag}])
    except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.RepositoryNotFoundException):
        return ""
    return str(answer["imageDetails"][0]["imageDigest"])


def push_image(source: ImageSource, place: ImagePlace, ecr: Any, find_engine: Callable[[], Engine]) -> str:
    """Build and push the image; return its digest. ImageNotPushed where it did not arrive whole."""
    repository = ecr.describe_repositories(repositoryNames=[place.repository])["repositories"][0]
    uri = f"{repository['repositoryUri']}:{place.tag}"
    engine = find_engine()
    build_image(source, engine, uri)
    user, password = _credentials(ecr)
    engine.login(repository["repositoryUri"].partition("/")[0], user, password)
    engine.push(uri)
    digest = pushed_digest(ecr, place)
    if not digest:
        raise ImageNotPushed(f"{uri} was pushed and is not in the repository: deploy again.")
    return digest


def _credentials(ecr: Any) -> tuple[str, str]:
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    return user, password
