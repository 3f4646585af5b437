"""Checks account, region and quotas before a deployment changes anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.job import DetectionMode
from deploy.errors import NoCredentials, QuotaTooLow, WrongRegion
from deploy.names import Account
from deploy.settings import StageSettings

Clients = Callable[[str], Any]
# Regions with a quota for stored-video jobs, November 2026: AWS General Reference, "Amazon Rekognition
# endpoints and quotas". Others with an endpoint (ca-central-1, il-central-1, eu-south-2) take images only.
VIDEO_REGIONS = (
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-5",
    "ap-southeast-7",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
)
_FEW_AT_ONCE = 50
# Lambda's quotas: the default concurrency of an account, and the memory of a function in a new one.
_FULL_AT_ONCE = 1000
_NEW_ACCOUNT_MB = 3008
_ZONES = 2
# Lambda attaches no function to a subnet there.
_ZONES_WITHOUT_LAMBDA = {"use1-az3", "usw1-az2", "apne1-az3", "cac1-az3"}


def find_account(sts: Any, region: str | None) -> Account:
    """Return the account of the credentials; raise NoCredentials."""
    try:
        arn = str(sts.get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError) as error:
        raise NoCredentials(
            f"AWS does not accept the credentials ({error}): run `aws configure`, or export AWS_PROFILE."
        ) from error
    _, partition, _, _, number, _ = arn.split(":", 5)
    return Account(number, str(region), partition)


def require_region(region: str | None, settings: StageSettings) -> None:
    """Raise WrongRegion where no region is set, or the stage's detector does not work in it."""
    if not region:
        raise WrongRegion("No region is set: export AWS_REGION, for example eu-west-1.")
    if settings.detection != DetectionMode.CONTAINER.value and region not in VIDEO_REGIONS:
        raise WrongRegion(
            f"Rekognition detects no faces in stored videos in {region}: export AWS_REGION as one of"
            f" {', '.join(VIDEO_REGIONS)}, or set detection: container in deploy/stages.yaml."
        )


def quota_notes(functions: Any) -> list[str]:
    """Return a note where a quota of the account will make runs slow."""
    limit = _functions_at_once(functions)
    if limit >= _FEW_AT_ONCE:
        return []
    return [
        f"Lambda runs {limit} functions at once in this account: ask for the quota L-B99A9384 to be raised."
    ]


def require_memory(functions: Any, settings: StageSettings) -> None:
    """Raise QuotaTooLow where the default memory is more than this account may give a function.

    AWS lowers concurrency and memory of new accounts together, and tells the first only. A function with more
    memory shows that the second was raised; so does a stage that names its memory.
    """
    if settings.is_memory_given or settings.memory_mb <= _NEW_ACCOUNT_MB:
        return
    limit = _functions_at_once(functions)
    if limit >= _FULL_AT_ONCE or _has_larger_function(functions):
        return
    raise QuotaTooLow(
        f"Lambda runs {limit} functions at once in this account, so it is new, and new accounts get at most"
        f" {_NEW_ACCOUNT_MB} MB a function: set memory_mb: {_NEW_ACCOUNT_MB} for {settings.stage} in"
        f" deploy/stages.yaml, or memory_mb: {settings.memory_mb} if AWS has raised that."
    )


def _functions_at_once(functions: Any) -> int:
    return int(functions.get_account_settings()["AccountLimit"]["ConcurrentExecutions"])


def _has_larger_function(functions: Any) -> bool:
    pages = functions.get_paginator("list_functions").paginate()
    return any(one["MemorySize"] > _NEW_ACCOUNT_MB for page in pages for one in page["Functions"])


def isolated_zones(ec2: Any) -> tuple[str, str]:
    """Return the two zones of isolated functions: the first two by id, so that each run chooses the same.

    Raise WrongRegion where the region has fewer than two.
    """
    filters = [{"Name": "zone-type", "Values": ["availability-zone"]}]
    zones = ec2.describe_availability_zones(Filters=filters)["AvailabilityZones"]
    usable = sorted(
        (one["ZoneId"], one["ZoneName"]) for one in zones if one["ZoneId"] not in _ZONES_WITHOUT_LAMBDA
    )
    if len(usable) < _ZONES:
        raise WrongRegion("isolated needs two zones with Lambda: deploy to another region, or leave it out.")
    return usable[0][1], usable[1][1]
