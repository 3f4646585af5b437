"""Settings of the light functions: environment variables, parsed inside the handlers and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.contract.errors import ConfigurationError


@dataclass(frozen=True)
class StartSettings:
    """What face-detection needs to know."""

    state_machine_arn: str
    output_bucket: str

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> StartSettings:
        """Return the settings; raise ConfigurationError where they are missing or would do harm."""
        input_bucket = bucket_setting(environment, "INPUT_BUCKET")
        output_bucket = bucket_setting(environment, "OUTPUT_BUCKET")
        if input_bucket == output_bucket:
            raise ConfigurationError(
                f"INPUT_BUCKET and OUTPUT_BUCKET are both {input_bucket!r}: every output would be an upload"
                " again, an endless paid loop. Name two different buckets in .chalice/config.json."
            )
        _require_rekognition(environment)
        return cls(state_machine_arn=_required(environment, "STATE_MACHINE_ARN"), output_bucket=output_bucket)


def bucket_setting(environment: Mapping[str, str], name: str) -> str:
    """Return the bucket that the variable `name` holds."""
    return _required(environment, name)


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise ConfigurationError(f"{name} is not set: give it a value in .chalice/config.json and deploy.")
    return value


def _require_rekognition(environment: Mapping[str, str]) -> None:
    from boto3.session import Session  # noqa: PLC0415 see clients.py

    region = environment.get("AWS_REGION") or _required(environment, "AWS_DEFAULT_REGION")
    session = Session()
    regions = {
        known
        for partition in session.get_available_partitions()
        for known in session.get_available_regions("rekognition", partition_name=partition)
    }
    if region not in regions:
        raise ConfigurationError(
            f"Rekognition does not exist in {region}: deploy to one of {', '.join(sorted(regions))}."
        )
