"""Settings of the light functions: what is missing or would do harm is said at the start."""

import pytest

from blur_container.limits import Limits
from chalicelib.contract.errors import ConfigurationError
from chalicelib.settings import StartSettings, UploadLimit, VideoLimits

ENVIRONMENT = {
    "INPUT_BUCKET": "in",
    "OUTPUT_BUCKET": "out",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:face-blur-local",
}


def test_complete_settings_are_accepted() -> None:
    """The settings of the `local` stage are enough."""
    settings = StartSettings.from_env(ENVIRONMENT)

    assert settings == StartSettings(ENVIRONMENT["STATE_MACHINE_ARN"], "out")


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_missing_setting_is_named(name: str) -> None:
    """The error says which variable to set."""
    environment = {**ENVIRONMENT, name: ""}

    with pytest.raises(ConfigurationError, match=name):
        StartSettings.from_env(environment)


def test_same_bucket_for_input_and_output_is_refused() -> None:
    """Every output would start an execution again."""
    environment = {**ENVIRONMENT, "OUTPUT_BUCKET": "in"}

    with pytest.raises(ConfigurationError, match="endless paid loop"):
        StartSettings.from_env(environment)


@pytest.mark.parametrize("region", ["us-east-1", "moon-east-1", ""])
def test_no_region_is_refused_while_events_are_handled(region: str) -> None:
    """The runtime's botocore may not know a new region, and every upload there would be a lost event."""
    settings = StartSettings.from_env({**ENVIRONMENT, "AWS_REGION": region})

    assert settings.output_bucket == "out"


def test_limits_of_videos_are_those_of_the_renderer() -> None:
    """The light functions and the container have the same default limits."""
    assert VideoLimits.from_env({}) == VideoLimits(Limits().duration_s, Limits().frame_px)


def test_limits_of_a_stage_are_taken() -> None:
    """Uploads are not counted unless that is asked for."""
    environment = {**ENVIRONMENT, "MAX_DURATION_S": "60", "MAX_PIXELS": "1000", "UPLOADS_PER_HOUR": ""}

    settings = StartSettings.from_env(environment)

    assert (settings.limits, settings.upload_limit) == (VideoLimits(60, 1000), None)


def test_counted_uploads_need_a_work_bucket() -> None:
    """A limit on uploads an hour requires a work bucket for its markers."""
    environment = {**ENVIRONMENT, "UPLOADS_PER_HOUR": "5"}

    assert StartSettings.from_env({**environment, "WORK_BUCKET": "work"}).upload_limit == UploadLimit(
        5, "work"
    )
    with pytest.raises(ConfigurationError, match="WORK_BUCKET"):
        StartSettings.from_env(environment)


@pytest.mark.parametrize("name", ["MAX_DURATION_S", "MAX_PIXELS", "UPLOADS_PER_HOUR"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "1" * 40, "٣"])
def test_limit_that_is_no_whole_number_is_named(name: str, value: str) -> None:
    """A limit that cannot be read must not be no limit."""
    with pytest.raises(ConfigurationError, match=name):
        StartSettings.from_env({**ENVIRONMENT, "WORK_BUCKET": "work", name: value})
