"""Builds the image of a container function without a container, from the Dockerfile's COPY and ENV lines."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blur_container.settings import installed_versions

_IN_TASK_ROOT = re.compile(r"^(\$\{LAMBDA_TASK_ROOT\}|\$LAMBDA_TASK_ROOT|/var/task)(?=/|$)")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<plain>\w+))")
_IGNORED_NAMES = shutil.ignore_patterns("__pycache__", "*.pyc")


class UnreadableDockerfile(Exception):
    """A COPY line of the Dockerfile cannot be carried out."""


@dataclass(frozen=True)
class LocalImage:
    """The files under LAMBDA_TASK_ROOT of an image, its variables, and its default handler."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    command: str = ""


def base_by_digest(image: str) -> str:
    """Return `image` with a digest of its substitute here: the installed packages of this interpreter."""
    repository = image.rpartition(":")[0] or image
    return f"{repository}@sha256:{hashlib.sha256(repr(installed_versions()).encode()).hexdigest()}"


def build_image(
    dockerfile: Path, context: Path, folder: Path, given: Mapping[str, str] | None = None
) -> LocalImage:
    """Return the image of `dockerfile`; its files are copied from `context` into `folder`, which is created.

    Only COPY lines from the context into the task root count, of any build stage; installed packages are
    those of this interpreter. `given` are build arguments; the others have their defaults.
    """
    folder.mkdir(parents=True)
    arguments = {"LAMBDA_TASK_ROOT": str(folder)}
    variables: dict[str, str] = {}
    command = ""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in re.sub(r"\\\n", " ", text).splitlines():
        word, rest = [*line.strip().split(None, 1), "", ""][:2]
        if word.upper() == "COPY":
            _copy(shlex.split(rest), context, folder)
        elif word.upper() == "ARG":
            name, _, default = rest.partition("=")
            arguments[name] = (given or {}).get(name, default)
        elif word.upper() == "ENV":
            known = {**arguments, **variables}
            # As in Docker, an unknown variable is an empty text.
            expanded = _VARIABLE.sub(lambda match: known.get(match["braced"] or match["plain"], ""), rest)  # noqa: B023 used at once
            variables.update(_assignments(expanded))
        elif word.upper() == "CMD":
            command = json.loads(rest)[0]
    return LocalImage(folder, variables, command)


def _assignments(text: str) -> dict[str, str]:
    """Return the variables of an ENV line, which has the form `NAME=value ...` or `NAME value`."""
    words = shlex.split(text)
    if "=" not in words[0]:
        return {words[0]: " ".join(words[1:])}
    return dict(word.split("=", 1) for word in words)


def _copy(words: list[str], context: Path, folder: Path) -> None:
    """Carry out a COPY line from `context` into the task root `folder`; ignore all others."""
    *sources, destination = [word for word in words if not word.startswith("--")]
    inside = re.sub(_IN_TASK_ROOT, ".", destination)
    from_stage = any(word.startswith("--from=") for word in words)
    if from_stage or inside.startswith(("/", "$")):
        return
    if ".." in Path(inside).parts:
        raise UnreadableDockerfile(f"COPY to {destination}: write the path without dots")
    mode = next((int(word.partition("=")[2], 8) for word in words if word.startswith("--chmod=")), None)
    is_folder = inside.endswith(("/", ".")) or len(sources) > 1
    for source in sources:
        target = folder / inside
        matches = sorted(context.glob(source.strip("/"))) if source.strip("./") else [context]
        if not matches:
            raise UnreadableDockerfile(f"COPY {source}: no such file in {context}")
        for match in matches:
            is_beside = is_folder and not match.is_dir()
            _place(match, target / match.name if is_beside else target, mode)


def _place(source: Path, target: Path, mode: int | None) -> None:
    """Copy a file or a folder with its mode, or with `mode`; raise where Lambda's user could not read it."""
    given = stat.S_IMODE(source.stat().st_mode) if mode is None else mode
    needed = stat.S_IROTH | (stat.S_IXOTH if source.is_dir() else 0)
    if given & needed != needed:
        raise UnreadableDockerfile(
            f"COPY {source}: its mode is {given:o}, and Lambda runs the image as another user: give the line"
            " --chmod=755"
        )
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        children = {child.name: child for child in sorted(source.iterdir())}
        for name in children.keys() - _IGNORED_NAMES(str(source), list(children)):
            _place(children[name], target / name, mode)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    target.chmod(given)
