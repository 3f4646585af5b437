"""The image of a container function without a container: the Dockerfile's COPY and ENV lines, replayed."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blur_container.settings import installed_versions

_IN_TASK_ROOT = re.compile(r"^(\$\{LAMBDA_TASK_ROOT\}|\$LAMBDA_TASK_ROOT|/var/task)(?=/|$)")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<plain>\w+))")
_IGNORED_NAMES = shutil.ignore_patterns("__pycache__", "*.pyc")


class UnreadableDockerfile(Exception):
    """A COPY line of the Dockerfile cannot be replayed."""


@dataclass(frozen=True)
class LocalImage:
    """What an image would hold under LAMBDA_TASK_ROOT, its variables, and its default handler."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    command: str = ""


def base_by_digest(image: str) -> str:
    """Return `image` with a digest of what stands in its place here: this interpreter and its packages."""
    repository = image.rpartition(":")[0] or image
    return f"{repository}@sha256:{hashlib.sha256(repr(installed_versions()).encode()).hexdigest()}"


def build_image(
    dockerfile: Path, context: Path, folder: Path, given: Mapping[str, str] | None = None
) -> LocalImage:
    """Return the image of `dockerfile`, its files copied from `context` into `folder`, which is made.

    What goes from the context into the task root counts, in any stage; installed packages are those of
    this interpreter. Build arguments are those `given`, or else their defaults.
    """
    folder.mkdir(parents=True)
    arguments = {"LAMBDA_TASK_ROOT": str(folder)}
    variables: dict[str, str] = {}
    command = ""
    for word, rest in _steps(dockerfile.read_text(encoding="utf-8")):
        if word == "COPY":
            _copy(shlex.split(rest), context, folder)
        elif word == "ARG":
            name, _, default = rest.partition("=")
            arguments[name] = (given or {}).get(name, default)
        elif word == "ENV":
            variables.update(_assignments(_expand(rest, {**arguments, **variables})))
        elif word == "CMD":
            command = json.loads(rest)[0]
    return LocalImage(folder, variables, command)


def _steps(text: str) -> list[tuple[str, str]]:
    lines = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    joined = re.sub(r"\\\n", " ", lines)
    steps = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(step[0].upper(), step[1].strip() if len(step) > 1 else "") for step in steps]


def _expand(text: str, values: dict[str, str]) -> str:
    """Return `text` with its variables, an unknown one as empty text, as Docker has it."""
    return _VARIABLE.sub(lambda match: values.get(match["braced"] or match["plain"], ""), text)


def _assignments(text: str) -> dict[str, str]:
    words = shlex.split(text)
    if "=" not in words[0]:
        return {words[0]: " ".join(words[1:])}
    return dict(word.split("=", 1) for word in words)


def _copy(words: list[str], context: Path, folder: Path) -> None:
    *sources, destination = [word for word in words if not word.startswith("--")]
    inside = re.sub(_IN_TASK_ROOT, ".", destination)
    from_stage = any(word.startswith("--from=") for word in words)
    if from_stage or inside.startswith(("/", "$")):
        return
    if ".." in Path(inside).parts:
        raise UnreadableDockerfile(f"COPY to {destination}: write the path without dots")
    is_folder = inside.endswith(("/", ".")) or len(sources) > 1
    for source in sources:
        _copy_source(context, source, folder / inside, into_folder=is_folder)


def _copy_source(context: Path, source: str, target: Path, *, into_folder: bool) -> None:
    matches = sorted(context.glob(source.strip("/"))) if source.strip("./") else [context]
    if not matches:
        raise UnreadableDockerfile(f"COPY {source}: no such file in {context}")
    for match in matches:
        if match.is_dir():
            shutil.copytree(match, target, dirs_exist_ok=True, ignore=_IGNORED_NAMES)
            continue
        file = target / match.name if into_folder else target
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(match, file)
