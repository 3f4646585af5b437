"""Settings of the local cloud."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class RuntimeClient(Enum):
    """The program that takes events from the Runtime API: Lambda's own, or its substitute."""

    AWSLAMBDARIC = "awslambdaric"
    STAND_IN = "local_cloud/lambda_service/runtime_client.py"


def default_runtime_client() -> RuntimeClient:
    """Return Lambda's own client on Linux, where it has wheels; the substitute elsewhere."""
    return RuntimeClient.AWSLAMBDARIC if sys.platform == "linux" else RuntimeClient.STAND_IN


@dataclass(frozen=True)
class CloudSettings:
    """The settings of a local cloud; `port` 0 means any free one."""

    port: int = 0
    event_deliveries: int = 1
    retry_delays_s: tuple[float, ...] = (1.0, 2.0)
    zip_concurrency: int = 10
    image_concurrency: int = field(default_factory=lambda: os.cpu_count() or 1)
    # Concurrent invocations of all functions: calls above are refused with 429, events wait. None: no limit.
    account_concurrency: int | None = None
    # The most memory of a function; new accounts get 3,008.
    function_memory_mb: int = 10_240
    # So often S3 refuses a function after it was permitted to call it: on AWS permissions spread slowly.
    stale_permissions: int = 0
    runtime_client: RuntimeClient = field(default_factory=default_runtime_client)
    rekognition: RekognitionSettings | None = None
    # As in deploy/stages.yaml: both, rekognition or container.
    detection: str = "both"
    # More settings of the container's functions, with the names of deploy/stages.yaml.
    renderer: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RekognitionSettings:
    """The behaviour of the Rekognition substitute; known defaults are those of the service."""

    sampling_ms: int = 500
    open_jobs: int = 20
    # Measured on two cores, jobs per second: one worker 1, two 1.2 to 1.6, three 0.8 to 1.2.
    workers: int = 2
    in_progress_at_least_s: float = 0.3
    largest_bytes: int = 10 * 1024**3
    # GetFaceDetection calls of the account; 20 in four regions, 5 in all others.
    calls_per_s: float = 5.0
    page_size: int = 1000
    results_kept_s: float = 7 * 24 * 3600
    long_side: int = 640
