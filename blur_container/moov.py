"""The index of an MP4 file, the `moov` box: how many bytes must be kept free for it in front."""

from __future__ import annotations

from collections.abc import Sequence

from av.container import InputContainer

# What each packet can take in the boxes stts 8, ctts 8, stsz 4, stss 4, stsc 12 and co64 8, and in FFmpeg's
# sdtp and sgpd 5. Source: ISO/IEC 14496-12, 8.6 and 8.7.
_PACKET_BYTES = 49
# Headers, parameter sets and edit lists of a track; FFmpeg writes a text track for chapters.
_TRACK_BYTES = 64 * 1024
_CHAPTER_BYTES = 1024
_TAGS_FACTOR = 4


def moov_bytes_max(packets: Sequence[int], source: InputContainer) -> int:
    """Return an upper bound of the index of tracks with so many `packets`, and the tags of `source`."""
    tags = sum(len(name.encode()) + len(value.encode()) + 64 for name, value in source.metadata.items())
    chapters = sum(_CHAPTER_BYTES + len(str(chapter)) for chapter in source.chapters())
    return _PACKET_BYTES * sum(packets) + _TRACK_BYTES * (len(packets) + 1) + _TAGS_FACTOR * (tags + chapters)
