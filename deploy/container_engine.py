"""The container engine: docker, podman, or a program with the same commands."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deploy.errors import BaseUnknown, ImageNotPushed, NoEngine

_PROGRAMS = ("docker", "podman")
_LAST_LINES = 15
# With attestations docker pushes an index, which Lambda does not take.
_ENVIRONMENT = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "DOCKER_BUILDKIT": "1"}


@dataclass(frozen=True)
class ImageBuild:
    """The input of a build, and the name of its image."""

    dockerfile: Path
    context: Path
    uri: str
    architecture: str
    arguments: Mapping[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """Builds and pushes images."""

    def resolve(self, image: str, architecture: str) -> str:
        """Return `image` with the digest that its registry has for this name now."""

    def build(self, build: ImageBuild) -> None:
        """Build an image."""

    def login(self, registry: str, user: str, password: str) -> None:
        """Log in to `registry` for later pushes."""

    def push(self, uri: str) -> None:
        """Push a built image."""


@dataclass(frozen=True)
class CommandEngine:
    """An engine that is run as a command; `words` are its program and first arguments."""

    words: tuple[str, ...]

    def resolve(self, image: str, architecture: str) -> str:
        """Pull `image` and return it by its digest; raise BaseUnknown where its registry does not answer.

        An index and the manifest in it have a digest each: any of them stands for the same layers.
        """
        try:
            self._run("pull", "--quiet", "--platform", _platform(architecture), image)
            told = self._run("image", "inspect", "--format", "{{json .RepoDigests}}", image)
            digests = sorted(str(one) for one in json.loads(told) or [])
        except (ImageNotPushed, ValueError) as error:
            raise BaseUnknown(
                f"Which image {image} is now, its registry does not say: {error} Or name it by its digest,"
                " base_image in deploy/stages.yaml."
            ) from error
        repository = _repository(image)
        own = [one for one in digests if repository.endswith(one.partition("@")[0])] or digests
        if not own:
            raise BaseUnknown(f"{image} has no digest: push it to a registry, and name it from there.")
        return own[0]

    def build(self, build: ImageBuild) -> None:
        """Build an image; raise ImageNotPushed with the last lines of a failure."""
        arguments = [word for pair in build.arguments.items() for word in ("--build-arg", "=".join(pair))]
        self._run(
            "build",
            *("--file", str(build.dockerfile), "--tag", build.uri),
            *("--platform", _platform(build.architecture)),
            *arguments,
            str(build.context),
        )

    def login(self, registry: str, user: str, password: str) -> None:
        """Log in; the password is sent to standard input, so that no process list shows it."""
        self._run("login", "--username", user, "--password-stdin", registry, typed=password)

    def push(self, uri: str) -> None:
        """Push a built image; raise ImageNotPushed where that fails."""
        self._run("push", uri)

    def size_bytes(self, uri: str) -> int:
        """Return the size of a built image, unpacked."""
        return int(self._run("image", "inspect", "--format", "{{.Size}}", uri))

    def _run(self, *arguments: str, typed: str = "") -> str:
        ended = subprocess.run(
            [*self.words, *arguments],
            input=typed,
            env={**os.environ, **_ENVIRONMENT},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            last = "\n".join(ended.stdout.splitlines()[-_LAST_LINES:])
            raise ImageNotPushed(
                f"`{shlex.join(self.words)} {arguments[0]}` ended with exit code {ended.returncode}:"
                f"\n{last}\n"
                "Mend that and deploy again: what arrived before is kept."
            )
        return ended.stdout


def _platform(architecture: str) -> str:
    return f"linux/{'amd64' if architecture == 'x86_64' else architecture}"


def _repository(image: str) -> str:
    """Return the name without its tag; a colon before a slash belongs to a port."""
    head, colon, tag = image.rpartition(":")
    return head if colon and "/" not in tag else image


def find_engine(named: str) -> CommandEngine:
    """Return the engine `named`, or else the first of docker and podman that answers; raise NoEngine."""
    candidates = [tuple(shlex.split(named))] if named else [(program,) for program in _PROGRAMS]
    for words in candidates:
        if _answers(words):
            return CommandEngine(words)
    raise NoEngine(
        f"No container engine answers (tried {', '.join(shlex.join(words) for words in candidates)}): start"
        " Docker or podman, or name another, make deploy ENGINE=/path/to/it."
    )


def _answers(words: tuple[str, ...]) -> bool:
    if shutil.which(words[0]) is None:
        return False
    ended = subprocess.run([*words, "info"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return ended.returncode == 0
