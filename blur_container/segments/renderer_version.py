"""The renderer's version: the code and settings that, with source and faces, decide a segment's content."""

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
    """The version of the code and a digest of its settings; all segments of a video have the same."""

    code_version: str
    settings_digest: str

    @classmethod
    def of(cls, code_version: str, render: RenderSettings) -> RendererVersion:
        """Return the renderer of this code version with these settings."""
        text = json.dumps(asdict(render), sort_keys=True)
        return cls(code_version, hashlib.sha256(text.encode()).hexdigest()[:_LENGTH])

    def require(self, found: RendererVersion, what: str) -> None:
        """Raise RendererChanged if `what`, made by the renderer `found`, is not by this renderer."""
        if found != self:
            raise RendererChanged(
                f"{what} was made by {found}, but this function is {self}: there was a deployment in between."
                " `make redrive` starts the upload again."
            )

    def to_json(self) -> dict[str, str]:
        """Return the version as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> RendererVersion:
        """Return the version in `value`; raise InvalidDocument if it breaks the contract."""
        fields = require_object(value, "renderer")
        return cls(text_field(fields, "code_version"), text_field(fields, "settings_digest"))

    def __str__(self) -> str:
        """Return the version as a phrase."""
        return f"code {self.code_version} with settings {self.settings_digest}"
