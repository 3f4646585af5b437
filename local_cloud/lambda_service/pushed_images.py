"""Pushed images: folders that an engine sends instead of layers, named in ECR and run by functions."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from local_cloud.http.clients import Clients
from local_cloud.http.wsgi import json_answer, read_body
from local_cloud.lambda_service.build_context import LocalImage
from local_cloud.lambda_service.registry import FunctionRegistry

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PUSH_PATH = "/local-cloud/images"


class PushedImages:
    """WSGI application for pushes; functions can then run the image by its tag or its digest."""

    def __init__(self, registry: FunctionRegistry, clients: Clients, folder: Path) -> None:
        self._registry = registry
        self._clients = clients
        self._folder = folder

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one push."""
        request = json.loads(read_body(environ))
        image = LocalImage(Path(request["folder"]), request["variables"], request["command"])
        digest = self.push(request["uri"], image)
        return json_answer("200 OK", {"digest": digest})(environ, start_response)

    def push(self, uri: str, image: LocalImage) -> str:
        """Keep a copy of `image` as `uri` (repository:tag) and return its digest."""
        repository, _, tag = uri.rpartition(":")
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._folder)) / "task"
        shutil.copytree(image.folder, folder)
        kept = replace(image, folder=folder)
        layer = f"sha256:{_content_hash(kept)}"
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"digest": layer, "size": 1},
            "layers": [{"digest": layer, "size": 1}],
        }
        name = repository.partition("/")[2]
        stored = self._clients("ecr").put_image(
            repositoryName=name, imageManifest=json.dumps(manifest), imageTag=tag
        )
        digest = str(stored["image"]["imageId"]["imageDigest"])
        for reference in (uri, f"{repository}@{digest}"):
            self._registry.push_image(reference, kept)
        return digest


def _content_hash(image: LocalImage) -> str:
    digest = hashlib.sha256(json.dumps([image.variables, image.command], sort_keys=True).encode())
    for path in sorted(path for path in image.folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(image.folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
