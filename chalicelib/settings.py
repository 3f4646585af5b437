"""Settings of the light functions: environment variables, parsed inside the handlers and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from chalicelib.contract.errors import ConfigurationError


@dataclass(frozen=True)
class StartSettings:
    """What face-detection needs to know."""

    state_machine_arn: str
    output_bucket: str

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> StartSettings:
        """Return the settings; raise ConfigurationError where they are missing or would do harm."""
        input_bucket = required_setting(environment, "INPUT_BUCKET")
        output_bucket = required_setting(environment, "OUTPUT_BUCKET")
        if input_bucket == output_bucket:
            raise ConfigurationError(
                f"INPUT_BUCKET and OUTPUT_BUCKET are both {input_bucket!r}: every output would be an upload"
                " again, an endless paid loop. Name two different buckets in deploy/stages.yaml."
            )
        _require_rekognition(environment)
        return cls(
            state_machine_arn=required_setting(environment, "STATE_MACHINE_ARN"), output_bucket=output_bucket
        )


def required_setting(environment: Mapping[str, str], name: str) -> str:
    """Return the variable `name`; raise ConfigurationError where it is missing or empty."""
    value = environment.get(name, "")
    if not value:
        raise ConfigurationError(f"{name} is not set: deploy by `make deploy`, which fills it in.")
    return value


def _require_rekognition(environment: Mapping[str, str]) -> None:
    region = environment.get("AWS_REGION") or required_setting(environment, "AWS_DEFAULT_REGION")
    if region not in _rekognition_regions():
        raise ConfigurationError(
            f"Rekognition does not exist in {region}: deploy to one of"
            f" {', '.join(sorted(_rekognition_regions()))}."
        )


@cache
def _rekognition_regions() -> frozenset[str]:
    """Return where Rekognition exists; read once, as a warm start need not pay for it again."""
    from boto3.session import Session  # noqa: PLC0415 see clients.py

    session = Session()
    return frozenset(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("rekognition", partition_name=partition)
    )
