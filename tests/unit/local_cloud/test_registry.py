"""The registry of functions: the zip files that Lambda could not run are refused."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

import pytest

from local_cloud.lambda_service.registry import FunctionRegistry, UnsupportedCode


def test_code_that_only_its_owner_reads_is_refused(tmp_path: Path) -> None:
    """Lambda runs a function as another user than the owner of its files (Lambda guide, zip archives)."""
    archive, entry = io.BytesIO(), zipfile.ZipInfo("app.py")
    entry.external_attr = 0o600 << 16
    with zipfile.ZipFile(archive, "w") as entries:
        entries.writestr(entry, "")
    request = {"Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()}}

    with pytest.raises(UnsupportedCode, match=r"app\.py has mode 600"):
        FunctionRegistry(tmp_path).read_code("face-detection", request)
