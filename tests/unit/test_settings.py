"""Settings of the light functions: what is missing or would do harm is said at the start."""

import pytest

from chalicelib.contract.errors import ConfigurationError
from chalicelib.settings import StartSettings

ENVIRONMENT = {
    "INPUT_BUCKET": "in",
    "OUTPUT_BUCKET": "out",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:face-blur-local",
    "AWS_REGION": "us-east-1",
}


def test_complete_settings_are_accepted() -> None:
    """The settings of the `local` stage are enough."""
    settings = StartSettings.from_env(ENVIRONMENT)

    assert settings == StartSettings(ENVIRONMENT["STATE_MACHINE_ARN"], "out")


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_missing_setting_is_named(name: str) -> None:
    """The error says which variable to set."""
    environment = {**ENVIRONMENT, name: ""}

    with pytest.raises(ConfigurationError, match="AWS_DEFAULT_REGION" if name == "AWS_REGION" else name):
        StartSettings.from_env(environment)


def test_same_bucket_for_input_and_output_is_refused() -> None:
    """Every output would start an execution again."""
    environment = {**ENVIRONMENT, "OUTPUT_BUCKET": "in"}

    with pytest.raises(ConfigurationError, match="endless paid loop"):
        StartSettings.from_env(environment)


@pytest.mark.parametrize("region", ["eu-north-1", "moon-east-1"])
def test_region_without_rekognition_is_refused_with_those_that_have_it(region: str) -> None:
    """The error names where to deploy instead."""
    environment = {**ENVIRONMENT, "AWS_REGION": region}

    with pytest.raises(ConfigurationError, match="eu-west-1"):
        StartSettings.from_env(environment)
