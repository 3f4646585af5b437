"""The image of the container functions: named by its content, built and pushed once, used by digest."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.engine import Engine, ImageBuild
from deploy.errors import ImageNotPushed
from deploy.settings import StageSettings

DOCKERFILE = Path("blur_container") / "Dockerfile"
_PARTS = ("blur_container", "chalicelib/__init__.py", "chalicelib/contract")
_TAG_LENGTH = 24


@dataclass(frozen=True)
class ImagePlace:
    """Where the image goes: the repository, and the tag that its content gives it."""

    repository: str
    tag: str


def content_tag(project: Path, settings: StageSettings) -> str:
    """Return the tag of what would be built: the same for the same files, base and architecture."""
    digest = hashlib.sha256(f"{settings.architecture}\0{settings.base_image}\0".encode())
    for path in _files(project):
        digest.update(str(path.relative_to(project)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:_TAG_LENGTH]


def build_image(project: Path, settings: StageSettings, engine: Engine, uri: str) -> None:
    """Build the image as `uri`."""
    arguments = {"BASE_IMAGE": settings.base_image} if settings.base_image else {}
    engine.build(ImageBuild(project / DOCKERFILE, project, uri, settings.architecture, arguments))


def pushed_digest(ecr: Any, place: ImagePlace) -> str:
    """Return the digest of the pushed image, an empty text where it is not there."""
    try:
        answer = ecr.describe_images(repositoryName=place.repository, imageIds=[{"imageTag": place.tag}])
    except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.RepositoryNotFoundException):
        return ""
    return str(answer["imageDetails"][0]["imageDigest"])


def push_image(
    project: Path, settings: StageSettings, place: ImagePlace, ecr: Any, find_engine: Callable[[], Engine]
) -> str:
    """Build and push the image; return its digest. ImageNotPushed where it did not arrive whole."""
    repository = ecr.describe_repositories(repositoryNames=[place.repository])["repositories"][0]
    uri = f"{repository['repositoryUri']}:{place.tag}"
    engine = find_engine()
    build_image(project, settings, engine, uri)
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


def _files(project: Path) -> Iterator[Path]:
    for part in _PARTS:
        path = project / part
        found = [path] if path.is_file() else sorted(path.rglob("*"))
        yield from (one for one in found if one.is_file() and "__pycache__" not in one.parts)
