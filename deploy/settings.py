"""The settings of a stage: its entry in deploy/stages.yaml, checked before anything is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from chalicelib.contract.job import DetectionMode
from chalicelib.contract.suffixes import OTHER_SUFFIXES
from deploy.errors import InvalidSettings

RENDERER_VARIABLES = (
    "BLUR_STYLE",
    "BLUR_SHAPE",
    "SMART_RENDER",
    "KEEP_METADATA",
    "OUTPUT_CODEC",
    "MIN_CONFIDENCE",
    "MARGIN",
    "HOLD",
    "FOLLOW_FACES",
    "DETECTION_EFFORT",
    "CRF",
    "PRESET",
    "ENCODER_THREADS",
    "DECODER_THREADS",
    "RENDER_RATE",
    "SEGMENT_WORK_S",
    "SEGMENTS_AT_ONCE",
)
# ECR refuses the name of a repository that ends in a hyphen.
_STAGE = re.compile(r"[a-z]([a-z0-9-]{0,14}[a-z0-9])?")
_BUCKET_KEYS = ("input_bucket", "work_bucket", "output_bucket")
_TEXT_KEYS = (*_BUCKET_KEYS, "kms_key_arn", "notification_email", "architecture", "base_image", "detection")
_LIST_KEYS = ("subnet_ids", "security_group_ids", "suffixes")
_WHOLE_KEYS = (
    "memory_mb",
    "review_days",
    "max_duration_s",
    "max_pixels",
    "uploads_per_hour",
    "rekognition_minutes_a_day",
)
_ARCHITECTURES = ("x86_64", "arm64")
_DETECTION = tuple(mode.value for mode in DetectionMode)


@dataclass(frozen=True)
class StageSettings:
    """The settings of one stage; empty values mean the defaults of templates and code."""

    stage: str
    buckets: Mapping[str, str] = field(default_factory=dict)
    kms_key_arn: str = ""
    notification_email: str = ""
    architecture: str = "x86_64"
    memory_mb: int = 3538
    # A stage that names its memory knows its account; the default may be too much for a new one.
    is_memory_given: bool = field(default=False, compare=False)
    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    isolated: bool = False
    suffixes: tuple[str, ...] = OTHER_SUFFIXES
    base_image: str = ""
    detection: str = "both"
    review_days: int = 90
    # The longest video for Rekognition, and 8K; the renderer refuses larger ones.
    max_duration_s: int = 6 * 3600
    max_pixels: int = 7680 * 4320
    # 0: no limit, no alarm.
    uploads_per_hour: int = 0
    rekognition_minutes_a_day: int = 0
    renderer: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_entry(cls, stage: str, entry: Mapping[str, Any]) -> StageSettings:
        """Return the settings in `entry`; raise InvalidSettings for unknown or impossible ones."""
        if not _STAGE.fullmatch(stage):
            raise InvalidSettings(
                f"STAGE={stage}: a stage is named by up to 16 of a-z, 0-9 and -; the first is a letter, the"
                " last no hyphen."
            )
        _require_known(stage, entry)
        texts = {key: str(entry.get(key) or "") for key in _TEXT_KEYS}
        settings = cls(
            stage=stage,
            buckets={key.removesuffix("_bucket"): texts.pop(key) for key in _BUCKET_KEYS if texts[key]},
            kms_key_arn=texts["kms_key_arn"],
            notification_email=texts["notification_email"],
            architecture=texts["architecture"] or "x86_64",
            **{key: _whole(stage, key, entry[key]) for key in _WHOLE_KEYS if entry.get(key) is not None},
            is_memory_given=entry.get("memory_mb") is not None,
            subnet_ids=tuple(entry.get("subnet_ids") or ()),
            security_group_ids=tuple(entry.get("security_group_ids") or ()),
            suffixes=_suffixes(stage, entry),
            isolated=_flag(stage, "isolated", entry.get("isolated")),
            base_image=texts["base_image"],
            detection=texts["detection"] or "both",
            renderer={name: _text(value) for name, value in (entry.get("blur_faces") or {}).items()},
        )
        _require_consistent(settings)
        return settings

    @property
    def renderer_parameters(self) -> dict[str, str]:
        """Return the renderer's settings as the pipeline template names them: BLUR_STYLE is BlurStyle."""
        return {name.title().replace("_", ""): value for name, value in self.renderer.items()}


def read_settings(path: Path, stage: str) -> StageSettings:
    """Return the settings of `stage` in the file at `path`."""
    try:
        stages = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise InvalidSettings(f"{path} cannot be read: {error}.") from error
    entry = stages.get(stage) or {} if isinstance(stages, dict) else None
    if not isinstance(entry, dict):
        raise InvalidSettings(f"{path}: {stage} must be a mapping of settings.")
    return StageSettings.from_entry(stage, entry)


def _text(value: Any) -> str:
    """Return the value as it was written: YAML reads on and off as truth values."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _whole(stage: str, key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidSettings(f"deploy/stages.yaml, {stage}: {key} must be a whole number, not {value!r}.")
    return value


def _suffixes(stage: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    value = entry.get("suffixes", OTHER_SUFFIXES)
    if not isinstance(value, (list, tuple)) or not set(map(str, value)) <= set(OTHER_SUFFIXES):
        raise InvalidSettings(
            f"deploy/stages.yaml, {stage}: suffixes is a list of {', '.join(OTHER_SUFFIXES)}, not {value!r};"
            " .mp4 is always taken."
        )
    return tuple(value)


def _flag(stage: str, key: str, value: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        raise InvalidSettings(f"deploy/stages.yaml, {stage}: {key} must be true or false, not {value!r}.")
    return bool(value)


def _require_known(stage: str, entry: Mapping[str, Any]) -> None:
    unknown = entry.keys() - {*_TEXT_KEYS, *_LIST_KEYS, *_WHOLE_KEYS, "isolated", "blur_faces"}
    unknown |= (entry.get("blur_faces") or {}).keys() - set(RENDERER_VARIABLES)
    if unknown:
        raise InvalidSettings(
            f"deploy/stages.yaml, {stage}: there is no setting {', '.join(sorted(map(str, unknown)))}."
        )


def _require_consistent(settings: StageSettings) -> None:
    where = f"deploy/stages.yaml, {settings.stage}"
    if settings.architecture not in _ARCHITECTURES:
        raise InvalidSettings(f"{where}: architecture is x86_64 or arm64, not {settings.architecture}.")
    if settings.detection not in _DETECTION:
        raise InvalidSettings(f"{where}: detection is {', '.join(_DETECTION)}, not {settings.detection}.")
    if len(set(settings.buckets.values())) != len(settings.buckets):
        raise InvalidSettings(
            f"{where}: the buckets must differ: an output in the input bucket would be an upload again,"
            " an endless paid loop."
        )
    if bool(settings.subnet_ids) != bool(settings.security_group_ids):
        raise InvalidSettings(f"{where}: subnet_ids and security_group_ids need each other.")
    if settings.isolated and settings.subnet_ids:
        raise InvalidSettings(
            f"{where}: isolated makes a VPC of its own, and subnet_ids name another: keep one of them."
        )
    for key in ("review_days", "max_duration_s", "max_pixels", "memory_mb"):
        if not getattr(settings, key):
            raise InvalidSettings(f"{where}: {key} must be over 0.")
