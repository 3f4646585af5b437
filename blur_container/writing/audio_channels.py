"""Audio channels: map the source's channels to a layout that AAC can encode.

Channel names and standard layouts are FFmpeg's: libavutil/channel_layout.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from av.audio.codeccontext import AudioCodecContext
from av.audio.layout import AudioLayout

from chalicelib.contract.errors import UnsupportedVideo

# AAC can encode these; of two with the same channels the first is used.
_AAC_LAYOUTS = (
    *("mono", "stereo", "2.1", "3.0", "3.0(back)", "3.1", "4.0", "quad", "quad(side)", "4.1"),
    *("5.0", "5.1", "6.0", "6.0(front)", "hexagonal", "6.1", "6.1(back)", "6.1(front)"),
    *("7.0", "7.0(front)", "7.1", "7.1(wide)", "7.1(wide-side)", "octagonal"),
)
# Layouts with the same channels: every player supports the one on the right, few the one on the left.
_ALIASES = {"5.0(side)": "5.0", "5.1(side)": "5.1", "downmix": "stereo"}
# AAC cannot encode these: FFmpeg mixes them down.
_MIXED_LAYOUTS = (
    *("3.1.2", "5.1.2", "5.1.2(back)", "5.1.4", "7.1.2", "7.1.4", "7.2.3", "9.1.4", "9.1.6"),
    *("cube", "hexadecagonal", "22.2"),
)
# What players assume for channels without a place.
_DEFAULTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_AMBISONIC = ("AMBI0", "AMBI1")

Row = tuple[float, ...]


@dataclass(frozen=True)
class Placement:
    """The mapping of the source's channels to a layout, by order or by mixing.

    `order` has the number of the source channel for each channel of `layout`; `mix`, if any, a row of weights
    over the source channels for each. `encoded` is the layout of the output, `note` is for the manifest.
    """

    layout: str
    encoded: str
    order: tuple[int, ...]
    mix: tuple[Row, ...] | None = None
    note: str | None = None

    @property
    def is_identity(self) -> bool:
        """Return whether the channels keep their order."""
        return self.mix is None and self.order == tuple(range(len(self.order)))


def placement_of(names: Sequence[str]) -> Placement:
    """Return the placement in AAC of channels with these `names`, in stored order."""
    if not names:
        raise UnsupportedVideo("an audio stream without a channel")
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
        is_noted = len(names) > len(places_of("stereo"))
        order = _filled(names, places_of(layout))
        return Placement(layout, layout, order, note=note if is_noted else None)
    rows = (_every_other(len(names), 0), _every_other(len(names), 1))
    return _mixed(rows, f"{len(names)} channels mixed down to stereo")


def _filled(names: Sequence[str], places: Sequence[str]) -> tuple[int, ...]:
    """Return the channel number for each of `places`: the channel of that name, or else the next unused."""
    named = {name: number for number, name in enumerate(names) if name in places and names.count(name) == 1}
    others = iter([number for number, name in enumerate(names) if name not in named])
    return tuple(named[place] if place in named else next(others) for place in places)


@cache
def places_of(layout: str) -> tuple[str, ...]:
    """Return the channel names of a standard layout, in its order."""
    return tuple(channel.name for channel in AudioLayout(layout).channels)


@cache
def _layouts() -> dict[frozenset[str], str]:
    """Return the standard layouts by their set of channel names."""
    names = (*_MIXED_LAYOUTS, *_ALIASES, *reversed(_AAC_LAYOUTS))
    return {frozenset(places_of(name)): name for name in names}


def take_channels(context: AudioCodecContext) -> tuple[str, ...]:
    """Return the channel names of `context`, which must not be open yet; call it once, before decoding.

    PyAV copies a layout by value and frees the copy. For a custom order that frees the map which the context
    and each decoded frame still refer to. So read it once, and replace it by a layout that owns no map: a
    standard one with as many channels, or a number of channels.
    """
    layout = context.layout
    names = tuple(channel.name for channel in layout.channels)
    # Frees the map that `context` refers to; nothing reads it before the new layout is set.
    del layout
    placement = placement_of(names)
    is_standard = placement.mix is None and len(places_of(placement.layout)) == len(names)
    context.layout = placement.layout if is_standard else f"{len(names)} channels"
    return names


def _mixed(rows: tuple[Row, Row], note: str) -> Placement:
    return Placement("stereo", "stereo", (0, 1), rows, note)


def _ambisonic(names: Sequence[str], side: float) -> Row:
    """Return the weights of a virtual microphone that points to one side: 0.5 W + `side` Y.

    Channels outside the sphere (head-locked stereo) go to their own side.
    """
    own = "FL" if side > 0 else "FR"
    weights = {"AMBI0": 0.5, "AMBI1": side, own: 0.5}
    return tuple(weights.get(name, 0.0) for name in names)


def _every_other(count: int, first: int) -> Row:
    """Return equal weights for every second channel from `first` on."""
    share = 1 / len(range(first, count, 2))
    return tuple(share if number % 2 == first else 0.0 for number in range(count))
