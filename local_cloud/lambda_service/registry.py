"""Deployed functions: what CreateFunction and its updates said, kept as they pass by on their way to moto."""

from __future__ import annotations

import base64
import io
import itertools
import json
import threading
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from local_cloud.lambda_service.build_context import LocalImage


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
    # Counts what was deployed: of two revisions of a function the higher one is the newer.
    revision: int = 0

    @property
    def is_image(self) -> bool:
        """Return whether a container image holds the code."""
        return self.runtime is None


@dataclass(frozen=True)
class Code:
    """The code of a function in a folder, and what its image says about how to run it."""

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
        """Make functions of the image `uri` run `image`."""
        self._images[uri] = image

    def keep(self, configuration: dict[str, Any], code: Code | None, command: list[str] | None) -> Function:
        """Return the function of a FunctionConfiguration that moto answered; None keeps code and command."""
        name = configuration["FunctionName"]
        with self._lock:
            kept = code or self._codes[name]
            self._codes[name] = replace(kept, command=command[0]) if command else kept
            function = self._function(configuration, self._codes[name])
            self._functions[name] = function
        return function

    def _function(self, configuration: dict[str, Any], code: Code) -> Function:
        variables = configuration.get("Environment", {}).get("Variables", {})
        return Function(
            name=configuration["FunctionName"],
            arn=configuration["FunctionArn"],
            handler=code.command or configuration["Handler"],
            code_folder=code.folder,
            timeout_s=int(configuration.get("Timeout", 3)),
            memory_mb=int(configuration.get("MemorySize", 128)),
            runtime=None if code.command else configuration["Runtime"],
            variables={**code.variables, **variables},
            revision=next(self._revisions),
        )

    def forget(self, name: str) -> None:
        """Drop a deleted function."""
        with self._lock:
            self._functions.pop(name, None)
            self._codes.pop(name, None)

    def read_code(self, name: str, request: dict[str, Any]) -> Code:
        """Return the code in a CreateFunction or UpdateFunctionCode request; raise UnsupportedCode."""
        source = request.get("Code", request)
        if "ZipFile" in source:
            return Code(self._unpack(name, base64.b64decode(source["ZipFile"])))
        image = self._images.get(source.get("ImageUri", ""))
        if image is None:
            raise UnsupportedCode(
                f"function {name}: the local cloud runs zip files sent with the request and pushed images"
            )
        known = self._codes.get(name)
        command = request.get("ImageConfig", {}).get("Command") or [known.command if known else None]
        return Code(image.folder, command[0] or image.command, image.variables)

    def _unpack(self, name: str, archive: bytes) -> Path:
        folder = self._folder / f"{name}-{next(self._numbers)}"
        try:
            with zipfile.ZipFile(io.BytesIO(archive)) as entries:
                entries.extractall(folder)
        except zipfile.BadZipFile as error:
            raise UnsupportedCode(f"function {name}: the code is not a zip file") from error
        return folder


def function_name(name_or_arn: str) -> str:
    """Return the bare name in `name`, `name:qualifier`, a partial or a whole ARN."""
    if ":function:" in name_or_arn:
        return name_or_arn.split(":function:", 1)[1].split(":", 1)[0]
    return name_or_arn.split(":", 1)[0]


def parse_request(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a control request; an empty body is an empty object."""
    fields = json.loads(body or b"{}")
    return fields if isinstance(fields, dict) else {}
