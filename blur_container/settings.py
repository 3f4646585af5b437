"""Settings: what the environment says, read once, and the figures that say how faces are covered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from blur_container.installed_packages import source_version
from blur_container.limits import Limits
from chalicelib.contract.errors import ConfigurationError

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


class OutputCodec(str, Enum):
    """What is encoded: H.264, with HEVC for deep and HDR video, or H.264 alone."""

    AUTO = "auto"
    H264 = "h264"


class BlurStyle(str, Enum):
    """What a face becomes; docs/blur-styles.md says what each is safe against."""

    MOSAIC = "mosaic"
    SOLID = "solid"
    BLUR = "blur"


class Refine(str, Enum):
    """What is looked for in the container beside Rekognition's detections."""

    OFF = "off"
    DETECTOR = "detector"


class BlurShape(str, Enum):
    """What is covered of the padded box: an ellipse that holds the box of the face, or all of it."""

    ELLIPSE = "ellipse"
    BOX = "box"


@dataclass(frozen=True)
class TrackSettings:
    """How sparse detections become a mask for every frame; intervals count in the sampling interval."""

    # Boxes end at the chin and the forehead; hair and ears identify too.
    margin: float = 0.2
    # Held boxes are guesses: each interval away from a detection adds this many faces on every side.
    hold_growth: float = 0.25
    # One interval reaches the sample that saw no face; the rest covers rounding to frames.
    hold_intervals: float = 1.1
    # A sample may miss a face once, and the one after may come late.
    open_intervals: float = 2.5
    # Covers what moves unevenly between two known places, in shares of the time between them.
    hull_intervals: float = 0.15
    # Between two pictures no farther apart than this, both places are covered.
    skipped_ms: float = 150.0
    # The same around the straight line between two detections that no path joins.
    line_hull_intervals: float = 0.25
    # Between two detections in doubt the straight way is looked at in so many steps.
    line_steps: int = 8
    # How far a face is followed beyond its first and last detection: as long as a chain stays open.
    follow_intervals: float = 2.5
    # A face that was followed for an interval is known as well as one not seen for this share of it.
    flow_uncertainty: float = 0.1
    # Followed paths that end within so many faces of a detection lead to it.
    meet_faces: float = 0.5
    # Paths from both sides that are no farther apart than this are blended, others held together.
    agree_faces: float = 0.25
    # A face that goes out of the frame is lost when about half of it is outside, and left by the time it
    # needs for the rest, and half as long again.
    leaving_share_max: float = 0.8
    leaving_slack: float = 1.5
    # A face this near the border, in its own sizes, may cross it within one interval.
    border_faces: float = 0.5
    # Over so much of an interval a direction is measured.
    stride_intervals: float = 0.3
    # A face at rest jitters within half of itself; a walking one passes three of itself in a second.
    gate_faces: float = 0.5
    speed_faces_per_s: float = 3.0
    # Another face stands behind far more often than one face doubles between two samples.
    size_ratio_max: float = 2.0
    # A chain that breaks off and one that begins while it may still be open can be one face, too fast or
    # turning too sharply to be sure. The way between is covered too, up to one frame width a second.
    gap_link_frames_per_s: float = 1.0
    # Where pictures were looked at, and the face was followed at all, only from one sample to the next.
    gap_link_intervals: float = 1.5
    # More broken chains than this at once are a crowd: bridges between them would cover everything.
    gap_link_ends_max: int = 64
    # Rekognition was seen to sample every 200 and 500 ms; one moment alone tells neither: the longer.
    default_interval_ms: int = 500
    # Fewer gaps than this tell no interval.
    gaps_to_trust: int = 3
    # A detector that sees every frame still misses some: shorter intervals would leave them bare.
    shortest_interval_ms: int = 100
    # Rare faces leave gaps of many intervals, which are no interval.
    longest_interval_ms: int = 1000

    def blind(self) -> TrackSettings:
        """Return the settings for faces that are not followed: held longer and farther around.

        Measured at 2 Hz: half-covered faces in 1.0 % of the frames instead of 1.5 %, twice the blurred area.
        """
        return replace(self, hold_intervals=self.hold_intervals + 0.55, hull_intervals=0.45, border_faces=1.5)


@dataclass(frozen=True)
class RenderSettings:
    """What decides the rendered file, beside the source and its faces."""

    crf: int = 20
    preset: str = "veryfast"
    # Fixed, not the machine's count: the number of threads changes x264's output.
    encoder_threads: int = 3
    # One keeps up with the encoder; each more costs the memory of its frames.
    decoder_threads: int = 1
    # Rekognition reports few faces in doubt; doubt blurs.
    min_confidence: float = 0.0
    style: BlurStyle = BlurStyle.MOSAIC
    # An ellipse leaves a fifth of the padded box as it was, and nothing of the face box.
    shape: BlurShape = BlurShape.ELLIPSE
    # Cells on the short side of the padded box. With 7 a detector was up to 61 % sure of a face, with 5 no
    # surer than of a flat grey in the same place: it sees hair and shoulders.
    mosaic_cells: int = 5
    # Off until more players were tried: the joints are legal H.264, and decoders differ.
    smart_render: bool = False
    # A first look at the frames around detections: without it faces are covered by time and place alone.
    follow_faces: bool = True
    # The detector costs 10 to 20 ms of CPU a frame: half of the render's at 720p.
    refine: Refine = Refine.OFF
    # Every fifth frame of a camera's 30 a second.
    refine_interval_ms: int = 166
    # The detector is 30 % sure of most blurred, half hidden or tiny faces, and of few other things.
    refine_confidence: float = 30.0
    tracks: TrackSettings = field(default_factory=TrackSettings)
    codec: OutputCodec = OutputCodec.AUTO
    # Places, devices and telemetry stay in; pictures of faces beside the video never do.
    keep_metadata: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class CuttingSettings:
    """How a video is shared out; work counts in seconds that one function alone would render for."""

    # Pixels that a function of two processors covers and encodes in a second; measured here: 46 million
    # (benchmarks/README.md). A processor of Lambda was taken for half as fast.
    pixels_per_s: float = 20e6
    # Starting a function, reading the index and joining cost 2 to 4 s: less work is not worth them.
    aim_s: float = 60.0
    # Half of the 15 minutes a function has.
    limit_s: float = 450.0
    # How many functions render at once; Step Functions' inline Map runs 40.
    at_once: int = 40
    # Each segment reads the index, and looks at some seconds on both sides: so much of the file at most.
    extra_share: float = 0.15
    # So much is read within a second in any case.
    extra_bytes: int = 16 * 1000**2
    # /tmp holds 10 GB: both the part of the source that is read and its copy.
    segment_bytes: int = 2 * 1000**3


@dataclass(frozen=True)
class Settings:
    """The settings of the container Lambda."""

    work_bucket: str
    output_bucket: str
    code_version: str
    render: RenderSettings
    cutting: CuttingSettings = field(default_factory=CuttingSettings)

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in `environment`; raise ConfigurationError naming what is wrong."""
        read = _Reader(environment)
        default = RenderSettings()
        return cls(
            work_bucket=read.text("WORK_BUCKET"),
            output_bucket=read.text("OUTPUT_BUCKET"),
            code_version=environment.get("CODE_VERSION") or source_version(),
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
                refine=Refine(read.choice("REFINE", default.refine, tuple(Refine))),
                smart_render=read.choice("SMART_RENDER", "off", ("off", "on")) == "on",
                keep_metadata=read.choice("KEEP_METADATA", "off", ("off", "on")) == "on",
                tracks=replace(
                    default.tracks,
                    margin=read.number("MARGIN", default.tracks.margin, 0, _MARGIN_MAX),
                    hold_intervals=read.number("HOLD", default.tracks.hold_intervals, 1, _HOLD_MAX),
                ),
            ),
            cutting=_cutting(read),
        )


def _cutting(read: _Reader) -> CuttingSettings:
    default = CuttingSettings()
    rate = read.number("RENDER_RATE", default.pixels_per_s / _MEGA, 0.1, _RATE_MAX)
    return replace(
        default,
        pixels_per_s=rate * _MEGA,
        aim_s=read.number("SEGMENT_WORK_S", default.aim_s, 0.001, default.limit_s),
        at_once=read.whole("SEGMENTS_AT_ONCE", default.at_once, 1, default.at_once),
    )


@dataclass(frozen=True)
class _Reader:
    environment: Mapping[str, str]

    def text(self, name: str) -> str:
        value = self.environment.get(name, "")
        if not value:
            raise ConfigurationError(f"{name} is not set")
        return value

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.environment.get(name) or default
        if value not in choices:
            raise ConfigurationError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        text = self.environment.get(name) or str(default)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ConfigurationError(f"{name} must be a number from {low} to {high}, not {text!r}")
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        value = self.number(name, default, low, high)
        if not value.is_integer():
            raise ConfigurationError(f"{name} must be a whole number, not {value}")
        return int(value)
