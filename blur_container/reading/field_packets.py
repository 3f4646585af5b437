"""Field packets: interlaced H.264 whose fields are packets of their own, as from broadcasts."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from av.packet import Packet
from av.video.stream import VideoStream

from blur_container.reading.h264 import Nal, NotSpliceable, nal_units
from blur_container.reading.h264_parameters import ParameterRecord, SequenceParameters, field_of

_444 = 3


class _Field(NamedTuple):
    """Which frame a field belongs to, and which half of it it is."""

    frame_number: int
    is_bottom: bool


class FieldPackets:
    """Tells packets that hold the second field of a frame from those that begin one."""

    def __init__(self, stream: VideoStream) -> None:
        self._parameters = _interlaced(stream)
        self._first: _Field | None = None

    def is_second(self, packet: Packet[Any]) -> bool:
        """Return whether `packet` completes the frame that the packet before it begins.

        To be asked for each packet in turn. Source: H.264, 7.4.3, field_pic_flag and bottom_field_flag.
        """
        field = self._only_field(packet)
        first, self._first = self._first, field
        if field is None or first is None:
            return False
        is_second = field.frame_number == first.frame_number and field.is_bottom != first.is_bottom
        if is_second:
            self._first = None
        return is_second

    def _only_field(self, packet: Packet[Any]) -> _Field | None:
        """Return the field in `packet`; None where it holds a frame, or both fields."""
        if self._parameters is None or not packet.size:
            return None
        try:
            slices = (unit for kind, unit in nal_units(memoryview(packet)) if kind in (Nal.SLICE, Nal.IDR))
            found = {field_of(unit, self._parameters) for unit in slices}
        except NotSpliceable:
            return None
        only = found.pop() if len(found) == 1 else None
        return None if only is None else _Field(*only)


def _interlaced(stream: VideoStream) -> SequenceParameters | None:
    """Return the parameters of an interlaced stream, None where it has none or they cannot be read."""
    context = cast("Any", stream.codec_context)
    if context is None or context.name != "h264":
        return None
    try:
        sets = ParameterRecord.parse(context.extradata or b"").sequence_sets
        found = SequenceParameters.parse(sets[0]) if len(sets) == 1 else None
    except NotSpliceable:
        return None
    # In 4:4:4 the head of a slice may name its plane first.
    is_read = found is not None and not found.progressive and found.chroma_format < _444
    return found if is_read else None
