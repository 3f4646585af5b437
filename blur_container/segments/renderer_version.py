"""The renderer's version: code and settings, which with source and faces decide what a segment shows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from blur_container.settings import RenderSettings
from chalicelib.contract.errors import RendererChanged
from chalicelib.contract.fields import require_object, text_field

_LENGTH = 16


@dataclass(frozen=True)
class RendererVersion:
    """The version of the code, and a digest of its settings; segments of two never meet in one video."""

    code_version: str
    settings_digest: str

    @classmethod
    def of(cls, code_version: str, render: RenderSettings) -> RendererVersion:
        """Return the version of the code with these settings."""
        text = json.dumps(asdict(render), sort_keys=True)
        return cls(code_version, hashlib.sha256(text.encode()).hexdigest()[:_LENGTH])

    def require(self, found: RendererVersion, what: str) -> None:
        """Raise RendererChanged where `what` was made by another renderer than this one."""
        if found != self:
            raise RendererChanged(
                f"{what} was made by {found}, and this function is {self}: a deployment came between."
                " `make redrive` starts the upload again."
            )

    def to_json(self) -> dict[str, str]:
        """Return the version as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> RendererVersion:
        """Return the version in `value`; raise InvalidDocument where it breaks the rules."""
        fields = require_object(value, "renderer")
        return cls(text_field(fields, "code_version"), text_field(fields, "settings_digest"))

    def __str__(self) -> str:
        """Return the version in words."""
        return f"code {self.code_version} with settings {self.settings_digest}"
