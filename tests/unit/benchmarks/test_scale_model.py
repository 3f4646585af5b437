"""The model of time and price follows the code, adds up, and says where Lambda's limits are passed."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from benchmarks.scale.cost import table
from benchmarks.scale.ground_truth import LOOP_S, boxes_at, faces_document
from benchmarks.scale.model import (
    LENGTHS,
    LIMIT_S,
    SIZES,
    UPLOAD_BYTES_MAX,
    Model,
    Parameters,
    Video,
    duration,
)
from blur_container.settings import CuttingSettings
from chalicelib.contract.prices import PRICES, Prices

MODEL = Model(Parameters(), Prices.read())
MINUTE = Video(1280, 720, 3.0, 60.0)
HOUR = Video(1280, 720, 3.0, 3600.0)
FREE = Prices(**dict.fromkeys((field.name for field in fields(Prices)), 0.0))


def of_parameters(**changed: object) -> Model:
    """Return the model with other parameters."""
    return Model(replace(Parameters(), **changed), Prices.read())  # type: ignore[arg-type]


def test_a_minute_stays_whole_and_an_hour_does_not() -> None:
    """The number of segments is that of the planner."""
    assert MODEL.segments(MINUTE) == 1
    assert 1 < MODEL.segments(HOUR) <= CuttingSettings().at_once


def test_the_number_of_segments_follows_the_settings_of_the_code() -> None:
    """A lower SEGMENTS_AT_ONCE gives fewer segments, unless each would take too long."""
    few = of_parameters(cutting=CuttingSettings(at_once=15))

    assert few.segments(HOUR) == 15


def test_rekognition_costs_by_the_minute() -> None:
    """An hour of video costs sixty minutes of Rekognition."""
    assert MODEL.rekognition(HOUR).usd == pytest.approx(60 * MODEL.prices.rekognition_minute)


def test_one_function_cannot_render_an_hour_and_segments_can() -> None:
    """An hour of video exceeds one function's 15 minutes, and takes a quarter of that time in segments."""
    assert not MODEL.single(HOUR).finishes
    assert MODEL.segmented(HOUR).finishes
    assert MODEL.segmented(HOUR).wall_s < MODEL.single(HOUR).wall_s / 4


def test_a_short_video_takes_one_function_and_its_plan() -> None:
    """A short video takes plan-segments and one function."""
    more_s = MODEL.segmented(MINUTE).wall_s - MODEL.single(MINUTE).wall_s

    assert 0 < more_s == pytest.approx(Parameters().cold_start_s + Parameters().plan_cpu_s / 0.5)


def test_a_single_render_takes_its_processor_time() -> None:
    """By hand: 1,659 megapixels on two processors of half the speed, 22.5 MB there and back."""
    own = Parameters()
    render_s = 60 * 30 * 1280 * 720 / 1e6 * own.cpu_s_per_megapixel / (2 * own.two_processors_used * 0.5)

    assert MODEL.single(MINUTE).wall_s == pytest.approx(own.cold_start_s + render_s + 2 * 22.5 / own.s3_mb_s)


def test_one_second_of_a_function_costs_its_memory_and_its_storage() -> None:
    """A function's price per second is that of its memory and of its storage."""
    prices = replace(FREE, lambda_gb_second=2.0, lambda_storage_gb_second=1.0)
    estimate = Model(Parameters(), prices).single(MINUTE)

    assert estimate.usd / estimate.wall_s == pytest.approx(2.0 * 3538 / 1024 + (10_240 - 512) / 1024)


@pytest.mark.parametrize("name", [field.name for field in fields(Prices)])
def test_every_price_counts_for_the_system_or_for_rekognition(name: str) -> None:
    """Each price in the file changes the price of the system or of Rekognition."""
    model = Model(Parameters(), replace(FREE, **{name: 1.0}))

    assert model.segmented(HOUR).usd + model.rekognition(HOUR).usd > 0


@pytest.mark.parametrize("shape", SIZES.values(), ids=list(SIZES))
def test_longer_videos_cost_more(shape: tuple[int, int, float]) -> None:
    """The price of every estimate grows with the length of the video."""
    for way_of in (Model.rekognition, Model.single, Model.segmented, Model.sample):
        usd = [way_of(MODEL, Video(*shape, seconds)).usd for seconds in LENGTHS.values()]
        assert usd == sorted(usd)


def test_a_slow_processor_makes_the_longest_run_too_long() -> None:
    """A run of 15 minutes ends, a longer one does not."""
    fast, slow = of_parameters(vcpu_speed=1.0), of_parameters(vcpu_speed=0.01)

    assert fast.single(MINUTE).longest_s <= LIMIT_S
    assert not slow.single(MINUTE).finishes


def test_no_video_is_larger_than_rekognition_takes() -> None:
    """Six hours of 4K are taken to be coded to fit."""
    assert Video(3840, 2160, 20.0, 21_600.0).size_bytes == UPLOAD_BYTES_MAX


def test_the_table_has_a_row_for_each_size_and_length() -> None:
    """The table has a row for each size and length, and marks functions that would run too long."""
    text = table(MODEL)

    assert all(f"| {size}, {length} |" in text for size in SIZES for length in LENGTHS)
    assert f"no: {duration(MODEL.single(HOUR).longest_s)}" in text


def test_each_price_names_its_source() -> None:
    """One file, one date, an address for each price."""
    listed = json.loads(PRICES.read_text())

    assert listed["as_of"] >= "2026-11"
    assert set(listed["prices"]) == {field.name for field in fields(Prices)}
    assert all(price["source"].startswith("https://aws.amazon.com/") for price in listed["prices"].values())


def test_a_missing_price_is_an_error(tmp_path: Path) -> None:
    """A price file without one of the prices raises KeyError."""
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"prices": {"s3_get": {"usd": 1}}}))

    with pytest.raises(KeyError, match="lambda_gb_second"):
        Prices.read(path)


def test_the_clip_has_faces_in_part_of_each_minute() -> None:
    """The same in each, at two samples a second, and none that is mostly outside."""
    seen = faces_document("0" * 64, 2 * LOOP_S, 12).detections
    times_s = {face.time_ms / 1000 for face in seen}

    assert boxes_at(10.0) == boxes_at(10.0 + LOOP_S)
    assert len({time_s for time_s in times_s if time_s < LOOP_S}) == len(times_s) / 2
    assert not boxes_at(50.0)
    assert 0.3 < len(times_s) / (2 * 2 * LOOP_S) < 0.8
    assert all(-face.box.width / 2 <= face.box.left <= 1 - face.box.width / 2 for face in seen)
