"""Digests of packets: what was written is compared with what a second reading finds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from av.packet import Packet


@dataclass(frozen=True)
class CopiedPackets:
    """Which packets of the output, counted in decode order, are the source's own.

    All others name the picture parameter set `encoder_set_id`, which the source does not have.
    """

    runs: tuple[range, ...]
    digest: StreamDigest
    encoder_set_id: int


@dataclass(frozen=True)
class StreamDigest:
    """What identifies the packets of one stream: their number and the hash of their bytes, in order."""

    packets: int
    hexdigest: str


class PacketDigest:
    """Counts and hashes the packets of one stream as they pass."""

    def __init__(self) -> None:
        self._packets = 0
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, packet: Packet[Any]) -> None:
        """Take in one packet."""
        self._packets += 1
        self._hash.update(memoryview(packet))

    def result(self) -> StreamDigest:
        """Return the digest of all packets so far."""
        return StreamDigest(self._packets, self._hash.hexdigest())
