"""Channels: which places the channels of a sound are meant for, and which of AAC's they take.

Names and standard layouts are FFmpeg's: libavutil/channel_layout.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from av.audio.codeccontext import AudioCodecContext
from av.audio.layout import AudioLayout

from chalicelib.contract.errors import UnsupportedVideo

# AAC has a form for these; of two with the same channels the first is taken.
_AAC_LAYOUTS = (
    *("mono", "stereo", "2.1", "3.0", "3.0(back)", "3.1", "4.0", "quad", "quad(side)", "4.1"),
    *("5.0", "5.1", "6.0", "6.0(front)", "hexagonal", "6.1", "6.1(back)", "6.1(front)"),
    *("7.0", "7.0(front)", "7.1", "7.1(wide)", "7.1(wide-side)", "octagonal"),
)
# The same places by other names: every player knows the layout on the right, few that on the left.
_ALIASES = {"5.0(side)": "5.0", "5.1(side)": "5.1", "downmix": "stereo"}
# AAC has no form for these: FFmpeg mixes them down.
_MIXED_LAYOUTS = (
    *("3.1.2", "5.1.2", "5.1.2(back)", "5.1.4", "7.1.2", "7.1.4", "7.2.3", "9.1.4", "9.1.6"),
    *("cube", "hexadecagonal", "22.2"),
)
# What players take channels for that have no place.
_DEFAULTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_AMBISONIC = ("AMBI0", "AMBI1")

Row = tuple[float, ...]


@dataclass(frozen=True)
class Placement:
    """The mapping of channels to a layout: the source's channel for each, or the mix of them.

    `order` holds their numbers in the order of `layout`; `mix`, where there is one, a row of weights for each
    channel of `layout`. `encoded` is the layout of the output, `note` what a listener should be told.
    """

    layout: str
    encoded: str
    order: tuple[int, ...]
    mix: tuple[Row, ...] | None = None
    note: str | None = None

    @property
    def is_as_it_was(self) -> bool:
        """Return whether the samples can stay where they are."""
        return self.mix is None and self.order == tuple(range(len(self.order)))


def placement_of(names: Sequence[str]) -> Placement:
    """Return how channels for the places in `names`, in the order they are stored, are brought into AAC."""
    if not names:
        raise UnsupportedVideo("sound without a channel")
    layout = _layouts().get(frozenset(names)) if len(set(names)) == len(names) else None
    if layout is not None:
        order = tuple(names.index(place) for place in places_of(layout))
        if layout in _MIXED_LAYOUTS:
            return Placement(layout, "stereo", order, note=f"{layout} mixed down to stereo")
        encoded = _ALIASES.get(layout, layout)
        return Placement(encoded, encoded, order)
    if tuple(names[:2]) == _AMBISONIC:
        return _mixed(
            (_ambisonic(names, 0.5), _ambisonic(names, -0.5)), "ambisonic sound mixed down to stereo"
        )
    if len(names) in _DEFAULTS:
        layout = _DEFAULTS[len(names)]
        note = f"{len(names)} channels without known places taken as {layout}"
        said = note if len(names) > len(places_of("stereo")) else None
        return Placement(layout, layout, _filled(names, places_of(layout)), note=said)
    rows = (_every_other(len(names), 0), _every_other(len(names), 1))
    return _mixed(rows, f"{len(names)} channels mixed down to stereo")


def _filled(names: Sequence[str], places: Sequence[str]) -> tuple[int, ...]:
    """Return which channel is at each of `places`: the one meant for it, and where there is none the next."""
    meant = {name: number for number, name in enumerate(names) if name in places and names.count(name) == 1}
    others = iter([number for number, name in enumerate(names) if name not in meant])
    return tuple(meant[place] if place in meant else next(others) for place in places)


@cache
def places_of(layout: str) -> tuple[str, ...]:
    """Return the places of the channels of a standard layout, in its order."""
    return tuple(channel.name for channel in AudioLayout(layout).channels)


@cache
def _layouts() -> dict[frozenset[str], str]:
    """Return the standard layouts by their places."""
    names = (*_MIXED_LAYOUTS, *_ALIASES, *reversed(_AAC_LAYOUTS))
    return {frozenset(places_of(name)): name for name in names}


def take_channels(context: AudioCodecContext) -> tuple[str, ...]:
    """Return the places of the channels of `context`, which must not be open; call it once, before decoding.

    PyAV copies a layout by value and frees the copy: of a custom order, the map is freed that the context,
    and each decoded frame, go on referring to. Here it is read once, and replaced by one that owns no map.
    """
    layout = context.layout
    names = tuple(channel.name for channel in layout.channels)
    # Frees the map that `context` refers to; nothing reads it before the next line.
    del layout
    context.layout = _safe_layout(names)
    return names


def _safe_layout(names: Sequence[str]) -> str:
    """Return the name of a layout without a map, for as many channels: one of the standard's, or a number."""
    placement = placement_of(names)
    is_standard = placement.mix is None and len(places_of(placement.layout)) == len(names)
    return placement.layout if is_standard else f"{len(names)} channels"


def _mixed(rows: tuple[Row, Row], note: str) -> Placement:
    return Placement("stereo", "stereo", (0, 1), rows, note)


def _ambisonic(names: Sequence[str], side: float) -> Row:
    """Return the weights of a microphone that points to one side: the sphere, and half of left minus right.

    Channels that are no part of the sphere (a head-locked stereo) go to their own side.
    """
    own = "FL" if side > 0 else "FR"
    weights = {"AMBI0": 0.5, "AMBI1": side, own: 0.5}
    return tuple(weights.get(name, 0.0) for name in names)


def _every_other(count: int, first: int) -> Row:
    share = 1 / len(range(first, count, 2))
    return tuple(share if number % 2 == first else 0.0 for number in range(count))
