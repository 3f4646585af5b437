"""Settings: read the environment once, with the constants of tracking, rendering and splitting."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from blur_container.environment import EnvironmentReader
from blur_container.limits import Limits
from chalicelib.contract.code_version import code_version
from chalicelib.contract.job import DetectionMode

PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)
_CRF_MAX = 51
_THREADS_MAX = 16
_PERCENT = 100
_MARGIN_MAX = 3
_HOLD_MAX = 10
_MEGA = 1e6
_RATE_MAX = 10_000
_MEMORY_MAX_MB = 1_000_000
# The packages that decide the output.
_PACKAGES = ("av", "numpy", "onnxruntime", "opencv-python-headless")


class OutputCodec(str, Enum):
    """The codec of the output: AUTO is H.264, or HEVC for deep and HDR video."""

    AUTO = "auto"
    H264 = "h264"


class BlurStyle(str, Enum):
    """The blur of a face; docs/blur-styles.md says what each style is safe against."""

    MOSAIC = "mosaic"
    SOLID = "solid"
    BLUR = "blur"


class DetectionEffort(str, Enum):
    """The smallest faces that the container's detector finds: of about 20 pixels in 1080p, or of about 12."""

    STANDARD = "standard"
    THOROUGH = "thorough"


class BlurShape(str, Enum):
    """The covered part of the padded box: an ellipse that contains the face box, or all of it."""

    ELLIPSE = "ellipse"
    BOX = "box"


@dataclass(frozen=True)
class TrackSettings:
    """Constants of tracking; `_intervals` are in sampling intervals, `_faces` in sizes of the face."""

    # Boxes end at the chin and the forehead; hair and ears identify too.
    margin: float = 0.2
    # Held boxes are guesses: each interval away from a detection adds this to the margin.
    hold_growth: float = 0.25
    # One interval reaches the sample that saw no face; the rest covers rounding to frames.
    hold_intervals: float = 1.1
    # A sample may miss a face, and the next one may come late.
    open_intervals: float = 2.5
    # Covers uneven motion between two known boxes, in shares of the time between them.
    hull_intervals: float = 0.15
    # Between two frames that are no farther apart, both boxes are covered.
    skipped_ms: float = 150.0
    # As hull_intervals, around the straight line between two detections that no trajectory joins.
    line_hull_intervals: float = 0.25
    # The number of steps on that line.
    line_steps: int = 8
    # A face is followed so far beyond its first and last detection: as long as a tracklet stays open.
    follow_intervals: float = 2.5
    # A face that was followed for an interval is as uncertain as one that was held for this share of it.
    flow_uncertainty: float = 0.1
    # A trajectory that ends within so many faces of a detection leads to it.
    meet_faces: float = 0.5
    # Boxes of two trajectories that are no farther apart are blended; otherwise both are covered.
    agree_faces: float = 0.25
    # A face that leaves the frame is lost when about half of it is outside; it is gone after the time that it
    # needs for the rest, and half as long again.
    leaving_share_max: float = 0.8
    leaving_slack: float = 1.5
    # A face this near the border may cross it within one interval.
    border_faces: float = 0.5
    # A direction is measured over this time.
    stride_intervals: float = 0.3
    # A face at rest jitters within half of its size; a walking one moves by three sizes in a second.
    gate_faces: float = 0.5
    speed_faces_per_s: float = 3.0
    # It is far more often another face behind than one face that doubled between two samples.
    size_ratio_max: float = 2.0
    # A tracklet that ends and one that begins while it is still open can be one face that is too fast, or
    # turns too sharply. The line between them is covered too, up to one frame width per second.
    gap_link_frames_per_s: float = 1.0
    # If the face could be followed at all, only from one sample to the next.
    gap_link_intervals: float = 1.5
    # More ends of tracklets at once are a crowd: links between them would cover everything.
    gap_link_ends_max: int = 64
    # Rekognition samples every 200 or 500 ms; from a single sample the longer is assumed.
    default_interval_ms: int = 500
    # With fewer gaps between samples the interval cannot be measured.
    gaps_to_trust: int = 3
    # A detector that samples every frame still misses some: a shorter interval would leave them uncovered.
    shortest_interval_ms: int = 100
    # Rare faces leave gaps of many intervals.
    longest_interval_ms: int = 1000

    def blind(self) -> TrackSettings:
        """Return the settings for faces that are not followed: a longer hold and a wider hull.

        Measured at 2 Hz: half-covered faces in 1.0 % of the frames instead of 1.5 %, twice the blurred area.
        """
        return replace(self, hold_intervals=self.hold_intervals + 0.55, hull_intervals=0.45, border_faces=1.5)


@dataclass(frozen=True)
class DetectionSettings:
    """Constants of the container's detector; sides are pixels of the long side of the analysed picture."""

    long_side: int = 960
    # Three more passes, over the picture turned by 90, 180 and 270 degrees: for people who lie, and phones
    # that were held the wrong way round. Of faces turned by 90 degrees the first pass finds 58 %, all 99.5 %.
    turned_side: int = 640
    # The least score of a face, from 0 to 1.
    threshold: float = 0.2
    interval_ms: int = 100
    turned_interval_ms: int = 1000
    # Pictures with a lower mean luma are brightened: of very dark faces 92 % are found instead of 85 %.
    dark_luma: float = 70.0
    bright_luma: float = 90.0
    # Of onnxruntime; one more thread decodes.
    threads: int = 2

    @classmethod
    def of(cls, effort: DetectionEffort) -> DetectionSettings:
        """Return the settings of an effort."""
        return cls(long_side=1920, turned_side=960) if effort is DetectionEffort.THOROUGH else cls()


@dataclass(frozen=True)
class RenderSettings:
    """The settings that decide the output, besides the source and its faces."""

    crf: int = 20
    preset: str = "veryfast"
    # Fixed, not the number of processors: the number of threads changes x264's output.
    encoder_threads: int = 3
    # One keeps up with the encoder; each more needs memory for its frames.
    decoder_threads: int = 1
    # Rekognition reports few uncertain faces; they are blurred too.
    min_confidence: float = 0.0
    style: BlurStyle = BlurStyle.MOSAIC
    # An ellipse leaves a fifth of the padded box unblurred, and nothing of the face box.
    shape: BlurShape = BlurShape.ELLIPSE
    # Cells on the short side of the padded box. With 7 a detector's confidence was up to 61 %, with 5 no
    # higher than for a flat grey in the same place: it reacts to hair and shoulders.
    mosaic_cells: int = 5
    # Off until more players are tested: the joints are legal H.264, but decoders differ.
    smart_render: bool = False
    # The low-resolution pass: without it faces are covered by time and place alone.
    follow_faces: bool = True
    detection_mode: DetectionMode = DetectionMode.REKOGNITION
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    tracks: TrackSettings = field(default_factory=TrackSettings)
    codec: OutputCodec = OutputCodec.AUTO
    # True keeps places, devices and telemetry; cover pictures and second videos never stay.
    keep_metadata: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class CuttingSettings:
    """Settings for splitting a video; work is in seconds of rendering by one function."""

    # Pixels that a function with two processors blurs and encodes in a second; measured here: 46 million
    # (benchmarks/README.md). A processor of Lambda is assumed to be half as fast.
    pixels_per_s: float = 20e6
    # Starting a function, reading the index and joining take 2 to 4 s: less work is not worth it.
    aim_s: float = 60.0
    # Half of the 15 minutes a function has.
    limit_s: float = 450.0
    # The number of functions that render at once; Step Functions' inline Map runs 40.
    at_once: int = 40
    # Each segment reads the index and some seconds on both sides: at most this share of the file in all.
    extra_share: float = 0.15
    # This much is read within a second, and always allowed.
    extra_bytes: int = 16 * 1000**2
    # /tmp has 10 GB for the part of the source that is read and for its copy.
    segment_bytes: int = 2 * 1000**3


@dataclass(frozen=True)
class Settings:
    """The settings of the container Lambda."""

    work_bucket: str
    output_bucket: str
    code_version: str
    render: RenderSettings
    cutting: CuttingSettings = field(default_factory=CuttingSettings)
    # Of this function, by Lambda; 0 outside of it.
    memory_mb: int = 0

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in `environment`; raise ConfigurationError for an invalid value."""
        read = EnvironmentReader(environment)
        default, cutting = RenderSettings(), CuttingSettings()
        longest_s, largest_px = default.limits.duration_s, default.limits.frame_px
        rate = read.number("RENDER_RATE", cutting.pixels_per_s / _MEGA, 0.1, _RATE_MAX)
        return cls(
            work_bucket=read.text("WORK_BUCKET"),
            output_bucket=read.text("OUTPUT_BUCKET"),
            code_version=environment.get("CODE_VERSION") or source_version(),
            memory_mb=read.whole("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 0, 0, _MEMORY_MAX_MB),
            render=RenderSettings(
                crf=read.whole("CRF", default.crf, 0, _CRF_MAX),
                preset=read.choice("PRESET", default.preset, PRESETS),
                encoder_threads=read.whole("ENCODER_THREADS", default.encoder_threads, 1, _THREADS_MAX),
                decoder_threads=read.whole("DECODER_THREADS", default.decoder_threads, 1, _THREADS_MAX),
                min_confidence=read.number("MIN_CONFIDENCE", default.min_confidence, 0, _PERCENT),
                style=BlurStyle(read.choice("BLUR_STYLE", default.style, tuple(BlurStyle))),
                shape=BlurShape(read.choice("BLUR_SHAPE", default.shape, tuple(BlurShape))),
                codec=OutputCodec(read.choice("OUTPUT_CODEC", default.codec, tuple(OutputCodec))),
                follow_faces=read.choice("FOLLOW_FACES", "on", ("off", "on")) == "on",
                detection_mode=DetectionMode(
                    read.choice("DETECTION", DetectionMode.BOTH, tuple(DetectionMode))
                ),
                detection=DetectionSettings.of(
                    DetectionEffort(
                        read.choice("DETECTION_EFFORT", DetectionEffort.STANDARD, tuple(DetectionEffort))
                    )
                ),
                smart_render=read.choice("SMART_RENDER", "off", ("off", "on")) == "on",
                keep_metadata=read.choice("KEEP_METADATA", "off", ("off", "on")) == "on",
                limits=replace(
                    default.limits,
                    duration_s=read.whole("MAX_DURATION_S", longest_s, 1, longest_s),
                    frame_px=read.whole("MAX_PIXELS", largest_px, 1, largest_px),
                ),
                tracks=replace(
                    default.tracks,
                    margin=read.number("MARGIN", default.tracks.margin, 0, _MARGIN_MAX),
                    hold_intervals=read.number("HOLD", default.tracks.hold_intervals, 1, _HOLD_MAX),
                ),
            ),
            cutting=replace(
                cutting,
                pixels_per_s=rate * _MEGA,
                aim_s=read.number("SEGMENT_WORK_S", cutting.aim_s, 0.001, cutting.limit_s),
                at_once=read.whole("SEGMENTS_AT_ONCE", cutting.at_once, 1, cutting.at_once),
            ),
        )


def installed_versions() -> tuple[str, ...]:
    """Return the interpreter and the packages that decide the output, each with its version."""
    return (f"python {platform.python_version()}", *(f"{name} {_version(name)}" for name in _PACKAGES))


@cache
def source_version() -> str:
    """Return the code version of these source files and the installed packages, for runs outside an image."""
    return code_version(Path(__file__).resolve().parent.parent, *installed_versions())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
