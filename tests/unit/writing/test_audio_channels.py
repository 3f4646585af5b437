"""Which places channels take, by the names FFmpeg has for them."""

from __future__ import annotations

import pytest

from blur_container.writing.audio_channels import placement_of, places_of
from chalicelib.contract.errors import UnsupportedVideo


@pytest.mark.parametrize(
    ("names", "layout", "order"),
    [
        pytest.param(["FL", "FR"], "stereo", (0, 1), id="stereo"),
        pytest.param(["FR", "FL"], "stereo", (1, 0), id="right first"),
        pytest.param(["UNSD", "UNSD"], "stereo", (0, 1), id="without a label"),
        pytest.param(["FL", "FL"], "stereo", (0, 1), id="one label twice"),
        pytest.param(["DL", "DR"], "stereo", (0, 1), id="mixed for stereo"),
        pytest.param(["FR"], "mono", (0,), id="a track for one side"),
        pytest.param(["FL", "FR", "FC", "LFE", "SL", "SR"], "5.1", (0, 1, 2, 3, 4, 5), id="surround beside"),
        pytest.param(["FC", "FL", "FR", "BL", "BR", "LFE"], "5.1", (1, 2, 0, 5, 3, 4), id="centre first"),
        pytest.param(
            ["LFE", "FC", "FL", "FR", "BL", "BR", "UNK", "UNK"],
            "7.1",
            (2, 3, 1, 0, 4, 5, 6, 7),
            id="partly known",
        ),
        pytest.param(["NONE"] * 3, "3.0", (0, 1, 2), id="no LFE where nobody says so"),
    ],
)
def test_each_channel_has_its_place(names: list[str], layout: str, order: tuple[int, ...]) -> None:
    """`order` says which channel of the source stands at each place of the layout."""
    placement = placement_of(names)

    assert (placement.layout, placement.encoded, placement.order) == (layout, layout, order)
    assert placement.mix is None


def test_sound_without_a_channel_is_refused() -> None:
    """Audio with zero channels is refused."""
    with pytest.raises(UnsupportedVideo, match="without a channel"):
        placement_of([])


def test_a_layout_that_aac_has_not_is_mixed_down() -> None:
    """FFmpeg knows how: it is told the layout in its own order."""
    placement = placement_of(places_of("7.1.4")[::-1])

    assert (placement.layout, placement.encoded) == ("7.1.4", "stereo")
    assert placement.order == tuple(reversed(range(12)))
    assert placement.note == "7.1.4 mixed down to stereo"


def test_a_sphere_is_heard_from_the_left_and_from_the_right() -> None:
    """Two microphones back to back: the sphere, more or less left minus right."""
    placement = placement_of(["AMBI0", "AMBI1", "AMBI2", "AMBI3"])

    assert placement.mix == ((0.5, 0.5, 0.0, 0.0), (0.5, -0.5, 0.0, 0.0))


def test_of_many_channels_none_is_lost() -> None:
    """Every other one on each side, none louder than another."""
    placement = placement_of(["USR1"] * 12)

    assert placement.mix is not None
    assert [sum(row) for row in placement.mix] == pytest.approx([1, 1])
    assert all(left + right > 0 for left, right in zip(*placement.mix, strict=True))
