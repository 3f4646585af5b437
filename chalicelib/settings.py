"""Settings of the light functions, parsed from environment variables inside the handlers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.contract.errors import ConfigurationError
from chalicelib.contract.job import DetectionMode
from chalicelib.contract.suffixes import OTHER_SUFFIXES

# The longest video that Rekognition accepts, and the largest that the renderer accepts.
LONGEST_S = 6 * 3600
LARGEST_PIXELS = 7680 * 4320
UPLOADS_PER_HOUR_MAX = 1000  # What S3 lists at once.


@dataclass(frozen=True)
class VideoLimits:
    """The longest duration in s and the largest frame in pixels that a stage accepts."""

    max_duration_s: int = LONGEST_S
    max_pixels: int = LARGEST_PIXELS

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> VideoLimits:
        """Return the limits in MAX_DURATION_S and MAX_PIXELS."""
        return cls(
            max_duration_s=whole_setting(environment, "MAX_DURATION_S", LONGEST_S, LONGEST_S),
            max_pixels=whole_setting(environment, "MAX_PIXELS", LARGEST_PIXELS, LARGEST_PIXELS),
        )


@dataclass(frozen=True)
class UploadLimit:
    """The limit of uploads per key prefix and hour; `work_bucket` stores a marker of each upload."""

    per_hour: int
    work_bucket: str

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> UploadLimit | None:
        """Return the limit in UPLOADS_PER_HOUR, or None where that is empty."""
        if not environment.get("UPLOADS_PER_HOUR"):
            return None
        per_hour = whole_setting(environment, "UPLOADS_PER_HOUR", 1, UPLOADS_PER_HOUR_MAX)
        return cls(per_hour, required_setting(environment, "WORK_BUCKET"))


@dataclass(frozen=True)
class StartSettings:
    """The settings of face-detection."""

    state_machine_arn: str
    output_bucket: str
    limits: VideoLimits = VideoLimits()
    upload_limit: UploadLimit | None = None
    detection: DetectionMode = DetectionMode.BOTH
    suffixes: tuple[str, ...] = OTHER_SUFFIXES

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> StartSettings:
        """Return the settings; raise ConfigurationError where one is missing or would do harm."""
        input_bucket = required_setting(environment, "INPUT_BUCKET")
        output_bucket = required_setting(environment, "OUTPUT_BUCKET")
        if input_bucket == output_bucket:
            raise ConfigurationError(
                f"INPUT_BUCKET and OUTPUT_BUCKET are both {input_bucket!r}: every output would be an upload"
                " again, an endless paid loop. Name two different buckets in deploy/stages.yaml."
            )
        return cls(
            state_machine_arn=required_setting(environment, "STATE_MACHINE_ARN"),
            output_bucket=output_bucket,
            limits=VideoLimits.from_env(environment),
            upload_limit=UploadLimit.from_env(environment),
            detection=detection_mode(environment),
            suffixes=suffixes_setting(environment),
        )


def detection_mode(environment: Mapping[str, str]) -> DetectionMode:
    """Return the detectors that DETECTION names: both unless it says otherwise."""
    text = environment.get("DETECTION") or DetectionMode.BOTH.value
    try:
        return DetectionMode(text)
    except ValueError as error:
        modes = ", ".join(mode.value for mode in DetectionMode)
        raise ConfigurationError(f"DETECTION must be one of {modes}, not {text[:40]!r}.") from error


def required_setting(environment: Mapping[str, str], name: str) -> str:
    """Return the variable `name`; raise ConfigurationError where it is missing or empty."""
    value = environment.get(name, "")
    if not value:
        raise ConfigurationError(f"{name} is not set: deploy by `make deploy`, which fills it in.")
    return value


def suffixes_setting(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the suffixes in VIDEO_SUFFIXES, which are taken beside .mp4; `none` is none of them."""
    text = environment.get("VIDEO_SUFFIXES") or ",".join(OTHER_SUFFIXES)
    suffixes = tuple(text.split(",")) if text != "none" else ()
    if unknown := [suffix for suffix in suffixes if suffix not in OTHER_SUFFIXES]:
        raise ConfigurationError(
            f"VIDEO_SUFFIXES may name {', '.join(OTHER_SUFFIXES)}, or be none; not {unknown[0][:40]!r}."
        )
    return suffixes


def whole_setting(environment: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Return the variable `name`, a whole number from 1 to `most`; `default` where it is empty."""
    text = environment.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:20]) <= most:
        raise ConfigurationError(f"{name} must be a whole number from 1 to {most}, not {text[:40]!r}.")
    return int(text)
