"""Account, region and quotas, as they are checked before a deployment makes anything."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.session import Session

from deploy.account import VIDEO_REGIONS, quota_notes, require_memory, require_region
from deploy.errors import QuotaTooLow, WrongRegion
from deploy.settings import StageSettings


@pytest.mark.parametrize("region", VIDEO_REGIONS)
def test_region_with_quotas_for_stored_videos_is_accepted(region: str) -> None:
    """Also one that the installed botocore does not know yet."""
    require_region(region, StageSettings("dev"))


@pytest.mark.parametrize(
    "region", ["", None, "ca-central-1", "il-central-1", "eu-south-2", "eu-north-1", "moon-east-1"]
)
def test_region_that_analyses_images_only_is_refused(region: str | None) -> None:
    """AWS General Reference lists an endpoint there, or none, and no quota of stored-video jobs."""
    with pytest.raises(WrongRegion, match="AWS_REGION"):
        require_region(region, StageSettings("dev"))


def test_list_of_regions_is_sorted_and_has_no_region_without_an_endpoint() -> None:
    """A misspelt region would pass the check, and fail at the first call."""
    session = Session()
    endpoints = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("rekognition", partition_name=partition)
    }

    assert list(VIDEO_REGIONS) == sorted(set(VIDEO_REGIONS))
    assert set(VIDEO_REGIONS) <= endpoints


@pytest.mark.parametrize("region", ["eu-north-1", "ca-central-1"])
def test_any_region_will_do_where_the_container_detects_alone(region: str) -> None:
    """Then nothing of Rekognition is called."""
    require_region(region, StageSettings("dev", detection="container"))


class Lambda:
    """Lambda in an account that runs `limit` functions at once, and has functions of these sizes."""

    def __init__(self, limit: int, *sizes_mb: int) -> None:
        self._limit = limit
        self._pages = [{"Functions": [{"MemorySize": size_mb}]} for size_mb in sizes_mb]

    def get_account_settings(self) -> dict[str, Any]:
        """Return the quota that Lambda tells."""
        return {"AccountLimit": {"ConcurrentExecutions": self._limit}}

    def get_paginator(self, _operation: str) -> Lambda:
        """Return what has the pages."""
        return self

    def paginate(self) -> list[dict[str, Any]]:
        """Return the functions, one a page."""
        return self._pages


@pytest.mark.parametrize(("limit", "count"), [(10, 1), (49, 1), (50, 0), (1000, 0)])
def test_small_quota_is_told(limit: int, count: int) -> None:
    """New accounts run ten functions at once."""
    assert len(quota_notes(Lambda(limit))) == count


@pytest.mark.parametrize("account", [Lambda(10), Lambda(999, 128, 3008)], ids=["new", "small"])
def test_default_memory_is_refused_in_a_new_account(account: Lambda) -> None:
    """AWS reduces concurrency and memory together there (Lambda guide, "Lambda quotas")."""
    with pytest.raises(QuotaTooLow, match="set memory_mb: 3008 for dev"):
        require_memory(account, StageSettings("dev"))


@pytest.mark.parametrize(
    ("account", "entry"),
    [
        pytest.param(Lambda(1000), {}, id="grown"),
        pytest.param(Lambda(10, 128, 3538), {}, id="has-larger"),
        pytest.param(Lambda(10), {"memory_mb": 3008}, id="less"),
        pytest.param(Lambda(10), {"memory_mb": 3538}, id="named"),
    ],
)
def test_memory_is_not_refused_where_it_may_be_given(account: Lambda, entry: dict[str, Any]) -> None:
    """Whoever names it knows the account; Lambda tells no quota of memory."""
    require_memory(account, StageSettings.from_entry("dev", entry))
