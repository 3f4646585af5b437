"""Settings of the container: read once, refused by name."""

from __future__ import annotations

import pytest

from blur_container.settings import OutputCodec, RenderSettings, Settings, source_version
from chalicelib.contract.errors import ConfigurationError
from chalicelib.contract.job import DetectionMode

BUCKETS = {"WORK_BUCKET": "work", "OUTPUT_BUCKET": "output"}


def test_buckets_are_all_that_must_be_set() -> None:
    """All settings but the buckets have a default."""
    render = RenderSettings(detection_mode=DetectionMode.BOTH)

    assert Settings.from_env(BUCKETS) == Settings("work", "output", source_version(), render)


@pytest.mark.parametrize("name", ["WORK_BUCKET", "OUTPUT_BUCKET"])
def test_missing_bucket_is_named(name: str) -> None:
    """The error for a missing bucket names the variable."""
    with pytest.raises(ConfigurationError, match=name):
        Settings.from_env({**BUCKETS, name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CRF", "52"),
        ("CRF", "20.5"),
        ("CRF", "nan"),
        ("PRESET", "placebo"),
        ("MIN_CONFIDENCE", "101"),
        ("MARGIN", "-0.1"),
        ("BLUR_STYLE", "gaussian"),
        ("BLUR_SHAPE", "Ellipse"),
        ("MARGIN", "wide"),
        ("OUTPUT_CODEC", "hevc"),
        ("KEEP_METADATA", "yes"),
        ("ENCODER_THREADS", "0"),
        ("SMART_RENDER", "true"),
        ("HOLD", "0.9"),
        ("HOLD", "11"),
        ("FOLLOW_FACES", "yes"),
        ("DETECTION", "on"),
        ("MAX_DURATION_S", "0"),
        ("MAX_PIXELS", "99999999999"),
    ],
)
def test_senseless_value_is_named(name: str, value: str) -> None:
    """A typing error must not decide how faces are blurred."""
    with pytest.raises(ConfigurationError, match=name):
        Settings.from_env({**BUCKETS, name: value})


def test_values_are_taken() -> None:
    """A variable that is set overrides the default."""
    chosen = {"CRF": "23", "PRESET": "fast", "MIN_CONFIDENCE": "50", "MARGIN": "0.3", "CODE_VERSION": "abc"}

    settings = Settings.from_env({**BUCKETS, **chosen})

    assert (settings.code_version, settings.render.crf, settings.render.preset) == ("abc", 23, "fast")
    assert (settings.render.min_confidence, settings.render.tracks.margin) == (50.0, 0.3)


@pytest.mark.parametrize(("said", "taken"), [("", False), ("off", False), ("on", True)])
def test_smart_rendering_is_off_until_asked_for(said: str, *, taken: bool) -> None:
    """Mixed streams are legal, but not every player was tried."""
    assert Settings.from_env({**BUCKETS, "SMART_RENDER": said}).render.smart_render is taken


def test_faces_are_detected_by_both_and_followed_until_told_otherwise() -> None:
    """One detector suffices for a face to be covered."""
    plain = Settings.from_env(BUCKETS).render
    asked = Settings.from_env(
        {**BUCKETS, "FOLLOW_FACES": "off", "DETECTION": "container", "HOLD": "2"}
    ).render

    assert (plain.follow_faces, plain.detection_mode) == (True, DetectionMode.BOTH)
    assert (asked.follow_faces, asked.detection_mode, asked.tracks.hold_intervals) == (
        False,
        DetectionMode.CONTAINER,
        2.0,
    )


def test_output_may_be_h264_alone_and_keep_its_metadata() -> None:
    """Keeping the codec and keeping metadata are both off unless set."""
    settings = Settings.from_env({**BUCKETS, "OUTPUT_CODEC": "h264", "KEEP_METADATA": "on"})

    assert (settings.render.codec, settings.render.keep_metadata) == (OutputCodec.H264, True)
    assert (RenderSettings().codec, RenderSettings().keep_metadata) == (OutputCodec.AUTO, False)


def test_the_limits_of_a_stage_hold_for_what_has_no_readable_index() -> None:
    """face-detection measures MP4 and MOV only; the renderer opens everything."""
    limits = Settings.from_env({**BUCKETS, "MAX_DURATION_S": "60", "MAX_PIXELS": "1000"}).render.limits

    assert (limits.duration_s, limits.frame_px) == (60, 1000)
