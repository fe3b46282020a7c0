"""The digest of a long stream, worked out in a thread while the next pieces are read and written."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import queue
    import threading

ALONE = 16 * 2**20  # bytes that are over before a thread would be worth its while
BEHIND = 4  # a piece may be changed again when so many have been handed over, itself included
_WAITING = BEHIND - 2  # beside the one that is being worked on and the one that is just handed over


class StreamDigest:
    """A `ChunkDigest`. A piece must stay as it is until `BEHIND` have been handed over, or `digest` has returned."""

    def __init__(self) -> None:
        from virtctl.qemu.chunkdigest import ChunkDigest

        self._hash = ChunkDigest()
        self._length = 0
        self._pieces: queue.Queue[bytes | memoryview | None] | None = None
        self._thread: threading.Thread | None = None

    def update(self, piece: bytes | memoryview) -> None:
        """Takes the next piece."""
        before, self._length = self._length, self._length + len(piece)
        if before < ALONE <= self._length:
            self._begin()
        if self._pieces is None:
            self._hash.update(piece)
        else:
            self._pieces.put(piece)

    def _begin(self) -> None:
        import queue
        import threading

        self._pieces = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._work, args=(self._pieces,), daemon=True)
        try:
            self._thread.start()
        except (RuntimeError, MemoryError):  # the host allows no more threads
            self._pieces = self._thread = None

    def _work(self, pieces: queue.Queue[bytes | memoryview | None]) -> None:
        while (piece := pieces.get()) is not None:
            with suppress(ValueError):  # a memoryview that was released: by a save that was given up
                self._hash.update(piece)

    def digest(self) -> bytes:
        """The digest of all pieces; nothing can be added any more."""
        self.close()
        return self._hash.digest()

    def close(self) -> None:
        """Ends the thread."""
        if self._thread is not None and self._pieces is not None:
            self._pieces.put(None)
            self._thread.join()
        self._pieces = self._thread = None
