"""A local cloud for each module of tests; only one may be open at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_cloud.cloud import LocalCloud
from local_cloud.settings import CloudSettings
from tests.clouds.tiny import TinyCloud


@pytest.fixture(scope="module")
def cloud_settings() -> CloudSettings:
    """Return the settings of the module's cloud; modules with other needs have a fixture of this name."""
    return CloudSettings(detection="rekognition", retry_delays_s=(0.05, 0.1))


@pytest.fixture(scope="module")
def tiny(cloud_settings: CloudSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyCloud]:
    """Return the module's cloud."""
    with LocalCloud(cloud_settings) as cloud:
        yield TinyCloud(cloud, tmp_path_factory.mktemp("functions"))
