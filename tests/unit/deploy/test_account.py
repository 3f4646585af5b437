"""Account, region and quotas, as they are checked before a deployment makes anything."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.session import Session

from deploy.account import VIDEO_REGIONS, quota_notes, require_rekognition
from deploy.errors import WrongRegion


@pytest.mark.parametrize("region", VIDEO_REGIONS)
def test_region_with_quotas_for_stored_videos_is_accepted(region: str) -> None:
    """Also one that the installed botocore does not know yet."""
    require_rekognition(region)


@pytest.mark.parametrize(
    "region", ["", None, "ca-central-1", "il-central-1", "eu-south-2", "eu-north-1", "moon-east-1"]
)
def test_region_that_analyses_images_only_is_refused(region: str | None) -> None:
    """AWS General Reference lists an endpoint there, or none, and no quota of stored-video jobs."""
    with pytest.raises(WrongRegion, match="AWS_REGION"):
        require_rekognition(region)


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


@pytest.mark.parametrize(("limit", "count"), [(10, 1), (49, 1), (50, 0), (1000, 0)])
def test_small_quota_is_told(limit: int, count: int) -> None:
    """New accounts run ten functions at once."""

    class Functions:
        def get_account_settings(self) -> dict[str, Any]:
            return {"AccountLimit": {"ConcurrentExecutions": limit}}

    assert len(quota_notes(Functions())) == count
