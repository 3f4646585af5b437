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

from local_cloud.image import LocalImage


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

    @property
    def is_image(self) -> bool:
        """Return whether a container image holds the code."""
        return self.runtime is None


@dataclass(frozen=True)
class _Code:
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
        self._lock = threading.Lock()
        self._codes: dict[str, _Code] = {}
        self._functions: dict[str, Function] = {}
        self._images: dict[str, LocalImage] = {}

    def find(self, name_or_arn: str) -> Function | None:
        """Return the function by its name, its ARN or `name:qualifier`; None where there is none."""
        return self._functions.get(function_name(name_or_arn))

    def push_image(self, uri: str, image: LocalImage) -> None:
        """Make functions of the image `uri` run `image`."""
        self._images[uri] = image

    def keep_code(self, name: str, request: dict[str, Any]) -> None:
        """Keep the code in a CreateFunction or UpdateFunctionCode request; raise UnsupportedCode."""
        self._codes[name] = self._read_code(name, request)

    def keep_configuration(self, configuration: dict[str, Any]) -> Function:
        """Return the function of a FunctionConfiguration that moto answered, together with its kept code."""
        name = configuration["FunctionName"]
        code = self._codes[name]
        variables = configuration.get("Environment", {}).get("Variables", {})
        function = Function(
            name=name,
            arn=configuration["FunctionArn"],
            handler=code.command or configuration["Handler"],
            code_folder=code.folder,
            timeout_s=int(configuration.get("Timeout", 3)),
            memory_mb=int(configuration.get("MemorySize", 128)),
            runtime=None if code.command else configuration["Runtime"],
            variables={**code.variables, **variables},
        )
        with self._lock:
            self._functions[name] = function
        return function

    def keep_command(self, name: str, command: list[str]) -> None:
        """Keep the ImageConfig.Command of an UpdateFunctionConfiguration."""
        self._codes[name] = replace(self._codes[name], command=command[0])

    def forget(self, name: str) -> None:
        """Drop a deleted function."""
        with self._lock:
            self._functions.pop(name, None)
            self._codes.pop(name, None)

    def _read_code(self, name: str, request: dict[str, Any]) -> _Code:
        source = request.get("Code", request)
        if "ZipFile" in source:
            return _Code(self._unpack(name, base64.b64decode(source["ZipFile"])))
        image = self._images.get(source.get("ImageUri", ""))
        if image is None:
            raise UnsupportedCode(
                f"function {name}: the local cloud runs zip files sent with the request and pushed images"
            )
        known = self._codes.get(name)
        command = request.get("ImageConfig", {}).get("Command") or [known.command if known else None]
        return _Code(image.folder, command[0] or image.command, image.variables)

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
