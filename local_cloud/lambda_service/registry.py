"""Registry of deployed functions: code and configuration from CreateFunction and the update calls."""

from __future__ import annotations

import base64
import io
import itertools
import json
import stat
import threading
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from local_cloud.http.access_keys import Caller
from local_cloud.lambda_service.build_context import LocalImage

LAMBDA = "lambda.amazonaws.com"


@dataclass(frozen=True)
class Function:
    """One deployed function: its code in a folder, and its configuration."""

    name: str
    arn: str
    handler: str
    code_folder: Path
    timeout_s: int
    memory_mb: int
    runtime: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    role_arn: str = ""
    subnet_ids: tuple[str, ...] = ()
    # Increases with each deployment: the higher one of two revisions is newer.
    revision: int = 0

    @property
    def caller(self) -> Caller:
        """Return who the function's calls come from: a session of its role."""
        return Caller(self.name, self.role_arn, LAMBDA, self.arn)

    @property
    def is_image(self) -> bool:
        """Return whether the code is in a container image."""
        return self.runtime is None


@dataclass(frozen=True)
class Code:
    """The folder with a function's code; from an image also its default handler and variables."""

    folder: Path
    command: str | None = None
    variables: dict[str, str] = field(default_factory=dict)


class UnsupportedCode(Exception):
    """The function's code is neither a zip file in the request nor a pushed image."""


class FunctionRegistry:
    """Every deployed function by name, and the pushed images by URI."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._revisions = itertools.count(1)
        self._lock = threading.Lock()
        self._codes: dict[str, Code] = {}
        self._functions: dict[str, Function] = {}
        self._images: dict[str, LocalImage] = {}

    def find(self, name_or_arn: str) -> Function | None:
        """Return the function by its name, its ARN or `name:qualifier`; None where there is none."""
        return self._functions.get(function_name(name_or_arn))

    def push_image(self, uri: str, image: LocalImage) -> None:
        """Let functions with the image `uri` run `image`."""
        self._images[uri] = image

    def keep(self, configuration: dict[str, Any], code: Code | None, command: list[str] | None) -> Function:
        """Register the FunctionConfiguration that moto returned; None keeps the current code or command."""
        name = configuration["FunctionName"]
        with self._lock:
            kept = code or self._codes[name]
            self._codes[name] = current = replace(kept, command=command[0]) if command else kept
            variables = configuration.get("Environment", {}).get("Variables", {})
            function = Function(
                name=name,
                arn=configuration["FunctionArn"],
                handler=current.command or configuration["Handler"],
                code_folder=current.folder,
                timeout_s=int(configuration.get("Timeout", 3)),
                memory_mb=int(configuration.get("MemorySize", 128)),
                role_arn=configuration["Role"],
                runtime=None if current.command else configuration["Runtime"],
                variables={**current.variables, **variables},
                subnet_ids=tuple((configuration.get("VpcConfig") or {}).get("SubnetIds", ())),
                revision=next(self._revisions),
            )
            self._functions[name] = function
        return function

    def forget(self, name: str) -> None:
        """Drop a deleted function."""
        with self._lock:
            self._functions.pop(name, None)
            self._codes.pop(name, None)

    def read_code(self, name: str, request: dict[str, Any]) -> Code:
        """Return the code in a CreateFunction or UpdateFunctionCode request; raise UnsupportedCode."""
        source = request.get("Code", request)
        if "ZipFile" in source:
            folder = self._folder / f"{name}-{next(self._numbers)}"
            try:
                with zipfile.ZipFile(io.BytesIO(base64.b64decode(source["ZipFile"]))) as entries:
                    _require_readable(name, entries)
                    entries.extractall(folder)
            except zipfile.BadZipFile as error:
                raise UnsupportedCode(f"function {name}: the code is not a zip file") from error
            return Code(folder)
        image = self._images.get(source.get("ImageUri", ""))
        if image is None:
            raise UnsupportedCode(
                f"function {name}: the local cloud runs zip files sent with the request and pushed images"
            )
        known = self._codes.get(name)
        command = request.get("ImageConfig", {}).get("Command") or [known.command if known else None]
        return Code(image.folder, command[0] or image.command, image.variables)


def _require_readable(name: str, entries: zipfile.ZipFile) -> None:
    """Raise UnsupportedCode where a file's mode keeps it from Lambda's user, who is not its owner."""
    for entry in entries.infolist():
        mode = entry.external_attr >> 16
        if mode and not mode & stat.S_IROTH:
            raise UnsupportedCode(
                f"function {name}: {entry.filename} has mode {stat.S_IMODE(mode):o}, and Lambda runs it as"
                " another user: make it readable, chmod a+r"
            )


def function_name(name_or_arn: str) -> str:
    """Return the function's name in `name`, `name:qualifier`, or a partial or whole ARN."""
    if ":function:" in name_or_arn:
        return name_or_arn.split(":function:", 1)[1].split(":", 1)[0]
    return name_or_arn.split(":", 1)[0]


def parse_request(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a control request; an empty body is an empty object."""
    fields = json.loads(body or b"{}")
    return fields if isinstance(fields, dict) else {}
