"""Deploys the project to the local cloud as stage `local`, by the code that deploys it to AWS."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploy.container_engine import ImageBuild
from deploy.deployment import Deployment, Workplace
from deploy.errors import DeployError
from deploy.names import Account, Names
from deploy.settings import StageSettings
from deploy.step_report import silent_report
from local_cloud.errors import DeployFailed
from local_cloud.http.clients import Clients
from local_cloud.identity import ACCOUNT_ID, REGION
from local_cloud.lambda_service.build_context import LocalImage, base_by_digest, build_image
from local_cloud.lambda_service.pushed_images import PushedImages

STAGE = "local"


@dataclass(frozen=True)
class Buckets:
    """The names of the three buckets."""

    input: str
    work: str
    output: str


class ReplayEngine:
    """A container engine without containers: it follows the Dockerfile and pushes to this cloud."""

    def __init__(self, images: PushedImages, folder: Path) -> None:
        self._images = images
        self._folder = folder
        self._built: dict[str, LocalImage] = {}

    def resolve(self, image: str, _architecture: str) -> str:
        """Return the base image with a digest of its substitute in this cloud."""
        return base_by_digest(image)

    def build(self, build: ImageBuild) -> None:
        """Carry out the Dockerfile's COPY and ENV lines."""
        folder = Path(tempfile.mkdtemp(dir=self._folder, prefix="image-")) / "task"
        self._built[build.uri] = build_image(build.dockerfile, build.context, folder, build.arguments)

    def login(self, registry: str, user: str, password: str) -> None:
        """Do nothing: this cloud needs no login."""

    def push(self, uri: str) -> None:
        """Push the image that was built as `uri`."""
        self._images.push(uri, self._built[uri])


def local_names(settings: StageSettings | None = None) -> Names:
    """Return the names of stage `local`."""
    return Names(settings or StageSettings(STAGE), Account(ACCOUNT_ID, REGION))


def deploy_project(
    project: Path,
    folder: Path,
    clients: Clients,
    engine: ReplayEngine,
    settings: StageSettings,
    chalice: Path | None = None,
) -> Names:
    """Deploy `project` as `settings` say, with its app staged in `folder`; raise DeployFailed.

    Return its names; `chalice` is the folder that records the stage, if any.
    """
    names = local_names(settings)
    place = Workplace(project, folder, clients, lambda: engine, silent_report(), chalice)
    try:
        Deployment(names, place).deploy()
    except DeployError as error:
        raise DeployFailed(str(error)) from error
    return names
