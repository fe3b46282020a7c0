"""The digest of a saved memory: the CRC-32 of each MiB of it, and the SHA-256 of those.

It finds accidents: bits that flipped, blocks that are another file's, ends that are missing. It is no proof against a
forger, and neither would be a SHA-256 of all of it that stands in the same file; but it takes a third of the time, so
that a restore waits for the disk and for QEMU, not for it.
"""

from __future__ import annotations

import zlib
from hashlib import sha256

CHUNK = 1 << 20


class ChunkDigest:
    """`update` with pieces of any length, then `digest`, as the digests of hashlib have it."""

    def __init__(self) -> None:
        self._sums = sha256()
        self._sum = 0
        self._length = 0  # bytes of the chunk that is not complete

    def update(self, piece: bytes | memoryview) -> None:
        """Takes the next piece."""
        view = memoryview(piece)
        while view:
            part = view[: CHUNK - self._length]
            self._sum = zlib.crc32(part, self._sum)
            self._length += len(part)
            view = view[len(part) :]
            if self._length == CHUNK:
                self._sums.update(self._sum.to_bytes(4, "little"))
                self._sum = self._length = 0

    def digest(self) -> bytes:
        """32 bytes; more pieces may follow."""
        whole = self._sums.copy()
        whole.update(self._sum.to_bytes(4, "little") + self._length.to_bytes(4, "little"))
        return whole.digest()
