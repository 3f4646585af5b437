"""The index of an MP4: how large it can get, so that room for it is left before the media.

Sizes of boxes: ISO/IEC 14496-12, clauses 8 and 12. Which boxes FFmpeg writes: libavformat/movenc.c.
"""

from __future__ import annotations

from collections.abc import Sequence

# moov, mvhd (version 1), udta and meta with hdlr, and the box `free` that fills what is left.
_MOVIE_BYTES = 8 + 120 + 512
# trak, tkhd, edts with three edits, tref, mdia, mdhd, hdlr, minf, vmhd, dinf, stbl, the fixed part of each
# table, and an entry in stsd with colr, pasp, btrt, clli, mdcv and fiel, but without the codec's own header.
_TRACK_BYTES = 2048
# Every table with an entry for each packet: stts 8, ctts 8, stsz 4, stss 4, sdtp 1, stsc 12, co64 8.
_PACKET_BYTES = 8 + 8 + 4 + 4 + 1 + 12 + 8
# A text stands in a box in a box, with its length and language; a chapter's title in chpl and as a sample.
_TEXT_BYTES = 128
# Each text up to three times: as a tag of the movie, of a track, and as the name of a key.
_COPIES = 3


def moov_bytes_max(packets: Sequence[int], texts: Sequence[bytes]) -> int:
    """Return a size in bytes that the index never passes: 3 times what uneven frames need, 7 times even ones.

    `packets` has the number of packets of each track. `texts` are tags (names and values), titles of chapters
    and headers of codecs (extradata); where there are chapters, FFmpeg adds a track of them by itself.
    """
    chapters = len(texts) + 2
    tracks = _TRACK_BYTES * (len(packets) + 1) + _PACKET_BYTES * (sum(packets) + chapters)
    return _MOVIE_BYTES + tracks + sum(_COPIES * (_TEXT_BYTES + len(text)) for text in texts)
