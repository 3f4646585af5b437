"""Packet digests: compare the packets that were written with those that are read back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from av.packet import Packet


@dataclass(frozen=True)
class CopiedPackets:
    """The runs of packets, counted in decode order, that were copied from the source, and their digest.

    All other packets refer to the picture parameter set `encoder_set_id`, which the source does not have.
    """

    runs: tuple[range, ...]
    digest: StreamDigest
    encoder_set_id: int


@dataclass(frozen=True)
class StreamDigest:
    """The number of packets of one stream, and the hash of their bytes in order."""

    packets: int
    hexdigest: str


class PacketDigest:
    """Counts and hashes the packets of one stream."""

    def __init__(self) -> None:
        self._packets = 0
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, packet: Packet[Any]) -> None:
        """Add one packet."""
        self._packets += 1
        self._hash.update(memoryview(packet))

    def result(self) -> StreamDigest:
        """Return the digest of all packets so far."""
        return StreamDigest(self._packets, self._hash.hexdigest())
